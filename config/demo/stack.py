"""The processes that the demo needs beside the servers: worker, beat and web."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from django.db import connections

from config.runtime import commands
from config.runtime.errors import RuntimeFailure
from config.runtime.paths import PROJECT_ROOT, default_data_dir
from config.runtime.processes import ManagedProcess
from config.runtime.servers import EmbeddedServers

FIRST_PORT = 8000
PORTS = 200
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running product: its web address and log files."""

    url: str
    log_folder: Path


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Worker, beat and web, up while the block runs; what was up before stays up.

    Raises RuntimeFailure that names the log of the process that did not come up, and where
    the environment names other servers: the demo is not let loose on somebody's data.
    """
    servers = EmbeddedServers(default_data_dir())
    if os.environ["DATABASE_URL"] != servers.urls.database_url:
        raise RuntimeFailure("the demo runs on embedded servers only: unset DATABASE_URL.")
    worker_was_up = all(process.alive for process in servers.processes.all)
    servers.start_processes()
    web = _web(servers.data_dir, _free_port())
    web.stop()
    web.start()
    try:
        url = f"http://127.0.0.1:{web.argv[-1]}"
        _wait_until_alive(url, web)
        yield Stack(url=url, log_folder=web.log_file.parent)
    finally:
        web.stop()
        if not worker_was_up:
            connections.close_all()
            servers.stop()


def _web(data_dir: Path, port: int) -> ManagedProcess:
    command = commands.web(port=port)
    return ManagedProcess(
        name="web",
        argv=command.argv,
        env={**command.env, **os.environ},
        log_file=data_dir / "log" / "web.log",
        pid_file=data_dir / "web.pid",
        cwd=PROJECT_ROOT,
    )


def _free_port() -> int:
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeFailure(f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS} is free")


def _wait_until_alive(url: str, web: ManagedProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and web.alive:
        try:
            if httpx.get(f"{url}/health/live", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeFailure(f"the web server did not come up; see {web.log_file}:\n{web.log_tail()}")
