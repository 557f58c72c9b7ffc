"""Real processes of the product on the test's own database and Redis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
from django.db import connection

from config.runtime import commands
from config.runtime.commands import Command

# Short spans, so that what takes minutes in production takes seconds here.
QUICK = {"SWEEP_SECONDS": "2", "LEASE_SECONDS": "4", "DEFAULT_ENCODER": "minilm"}


class Fleet:
    """Starts processes and ends all of them; each logs to a file of its own.

    `env` is what they have besides the session's own environment.
    """

    def __init__(self, folder: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.env = dict(env or {})
        self.running: list[subprocess.Popen[bytes]] = []

    def worker(self) -> subprocess.Popen[bytes]:
        """One Celery worker for both queues."""
        number = len(self.running)
        return self._start(commands.worker(name=f"w{number}"), f"worker-{number}")

    def beat(self) -> subprocess.Popen[bytes]:
        """The clock."""
        return self._start(commands.beat(data_dir=self.folder), "beat")

    def web(self, port: int) -> subprocess.Popen[bytes]:
        """The HTTP server."""
        return self._start(commands.web(port=port), "web")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """`kill -9`, the whole group."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def stop(self) -> None:
        """End everything that still runs."""
        for process in list(self.running):
            self.kill(process)

    def _start(self, command: Command, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command.argv,
                env={**command.env, **QUICK, **self.env, "DATABASE_URL": database_url()},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process


def database_url() -> str:
    """DATABASE_URL of the database that pytest-django made."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_alive(url: str, *, seconds: float = 60) -> None:
    """Until the web server at `url` serves requests."""

    def alive() -> bool:
        try:
            return httpx.get(f"{url}/health/live").is_success
        except httpx.TransportError:
            return False

    wait_for(alive, seconds=seconds, what="the web server is up")


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Seconds until `condition` held; AssertionError that names `what` otherwise."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - started
