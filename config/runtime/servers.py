"""The embedded servers of one data folder, and what to do when no URL names others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from config.runtime.locks import only_one
from config.runtime.paths import claim_data_dir, default_data_dir
from config.runtime.postgres_server import EmbeddedPostgres
from config.runtime.redis_server import EmbeddedRedis
from config.runtime.urls import ServiceUrls
from config.runtime.workers import EmbeddedProcesses

__all__ = ["EmbeddedServers", "RuntimeStatus", "default_data_dir", "ensure_services"]
LOCK_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One server or process: its id while it runs, whether it answers, where it logs."""

    name: str
    pid: int | None
    answers: bool
    log_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """What runs in one data folder."""

    data_dir: str
    urls: ServiceUrls
    processes: tuple[ProcessStatus, ...]


class EmbeddedServers:
    """PostgreSQL, Redis and our own workers, with all their files in `data_dir`.

    Any number of processes may start and stop them at once; two data folders never meet.
    """

    def __init__(
        self, data_dir: Path, *, postgres_options: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.postgres = EmbeddedPostgres(self.data_dir, options=postgres_options)
        self.redis = EmbeddedRedis(self.data_dir)
        self.processes = EmbeddedProcesses(self.data_dir, self.urls)

    @property
    def urls(self) -> ServiceUrls:
        """Where the servers are or will be; known before they start."""
        return ServiceUrls(database_url=self.postgres.url, redis_url=self.redis.url)

    def start(self) -> ServiceUrls:
        """Bring both servers up, which takes milliseconds when they are. Raises RuntimeFailure."""
        self.start_postgres()
        self.start_redis()
        return self.urls

    def start_postgres(self) -> str:
        """Bring the database up; returns its URL. Raises RuntimeFailure."""
        if not self.postgres.ready:
            claim_data_dir(self.data_dir)
            with self._lock():
                self.postgres.start()
        return self.postgres.url

    def start_redis(self) -> str:
        """Bring Redis up; returns its URL. Raises RuntimeFailure."""
        if not self.redis.ready:
            claim_data_dir(self.data_dir)
            with self._lock():
                self.redis.start()
        return self.redis.url

    def start_processes(self) -> None:
        """Bring the worker and beat up, on the code as it is now. Raises RuntimeFailure."""
        claim_data_dir(self.data_dir)
        with self._lock():
            self.processes.start()

    def stop(self) -> None:
        """End the workers, then Redis, then the database; only what was started from here."""
        if not self.data_dir.exists():
            return
        with self._lock():
            self.processes.stop()
            self.redis.stop()
            self.postgres.stop()

    def status(self) -> RuntimeStatus:
        """What runs and answers now; changes nothing."""
        servers = (
            _status("postgres", self.postgres.pid, self.postgres.ready, self.postgres.log_file),
            _status("redis", self.redis.pid, self.redis.ready, self.redis.log_file),
        )
        others = (_status(p.name, p.pid, p.alive, p.log_file) for p in self.processes.all)
        return RuntimeStatus(
            data_dir=str(self.data_dir), urls=self.urls, processes=(*servers, *others)
        )

    def _lock(self) -> AbstractContextManager[None]:
        return only_one(self.data_dir / "start.lock", timeout=LOCK_SECONDS)


def ensure_services() -> ServiceUrls:
    """Start what DATABASE_URL and REDIS_URL do not name, and set them for us and our children.

    Raises RuntimeFailure.
    """
    servers = EmbeddedServers(default_data_dir())
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = servers.start_postgres()
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = servers.start_redis()
    return ServiceUrls(database_url=os.environ["DATABASE_URL"], redis_url=os.environ["REDIS_URL"])


def _status(name: str, pid: int | None, answers: bool, log_file: Path) -> ProcessStatus:
    return ProcessStatus(name=name, pid=pid, answers=answers, log_file=str(log_file))
