"""Background processes that outlive their starter, known by a file with their id and birth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from config.runtime.accounts import Account
from config.runtime.errors import RuntimeFailure
from config.runtime.identity import birth_of
from config.runtime.locks import try_lock

LOG_BYTES = 10_000_000
LOCK_SECONDS = 5.0
# Becomes the command once its id is on file. A starter that dies before that closes the pipe, and
# the shell ends: no process is ever left that nobody knows of.
GATE = 'read -r _ && exec "$@" </dev/null'


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedProcess:
    """One command in a session of its own.

    Two are never alive at once: the process and its children hold a lock on `<pid_file>.lock`
    until the last of them is gone. Its id counts as ours only while the start time that we noted
    is the one the system tells, so a stale file never points at a stranger.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log_file: Path
    pid_file: Path
    cwd: Path | None = None
    account: Account | None = None
    stop_signals: Sequence[tuple[signal.Signals, float]] = field(
        default=((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
    )

    @property
    def pid(self) -> int | None:
        """Its process id while it lives, else None."""
        noted = self._noted()
        pid, birth = noted.get("pid", ""), noted.get("birth")
        return int(pid) if pid.isdigit() and birth and birth_of(int(pid)) == birth else None

    @property
    def alive(self) -> bool:
        """Whether the process that we started runs."""
        return self.pid is not None

    @property
    def note(self) -> str:
        """What `start` was told to remember of the running process."""
        return self._noted().get("note", "")

    def all_gone_within(self, seconds: float) -> bool:
        """Whether it and each child of it, in whatever container, end before time is up."""
        lock = self._lock_within(seconds)
        if lock is not None:
            os.close(lock)
        return lock is not None

    def start(self, *, note: str = "") -> int:
        """Start it unless it runs; returns its id. Raises RuntimeFailure."""
        if (pid := self.pid) is not None:
            return pid
        lock = self._lock_within(LOCK_SECONDS)
        if lock is None:
            raise RuntimeFailure(
                f"{self.name} runs already, in another container or left over: end the "
                f"processes that `fuser {self._lock_file}` shows, then start again."
            )
        try:
            return self._spawn(lock, note)
        finally:
            os.close(lock)

    def stop(self) -> None:
        """End it, gently first; nothing happens when it is not ours or gone.

        Raises RuntimeFailure when it outlives the last signal.
        """
        for number, grace in self.stop_signals:
            if not self.signal(number) or self._gone_within(grace):
                self.pid_file.unlink(missing_ok=True)
                return
        raise RuntimeFailure(f"{self.name} (process {self.pid}) does not end: end it yourself.")

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal (KILL: to its whole group); False when there is no process of ours."""
        pid = self.pid
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        return True

    def log_tail(self, lines: int = 5) -> str:
        """The last lines it wrote, for error messages."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _lock_file(self) -> Path:
        return self.pid_file.with_name(f"{self.pid_file.name}.lock")

    def _noted(self) -> dict[str, str]:
        try:
            noted = json.loads(self.pid_file.read_text())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _lock_within(self, seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while (lock := try_lock(self._lock_file)) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return lock

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _spawn(self, lock: int, note: str) -> int:
        _rotate(self.log_file)
        with self.log_file.open("ab") as log:
            process = self._launch(log, lock)
        noted = {"pid": str(process.pid), "birth": birth_of(process.pid) or "", "note": note}
        fresh = self.pid_file.with_name(f"{self.pid_file.name}.new")
        fresh.write_text(json.dumps(noted))
        fresh.replace(self.pid_file)
        _open_gate(process)
        return process.pid

    def _launch(self, log: IO[bytes], lock: int) -> subprocess.Popen[bytes]:
        account = self.account
        try:
            return subprocess.Popen(
                ["/bin/sh", "-c", GATE, "sh", *self.argv],
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                umask=0o077,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            raise RuntimeFailure(f"cannot start {self.name}: {error}") from error


def _open_gate(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")
    # From here on the file knows the process; an unfinished Popen would warn when collected.
    process.returncode = 0


def _rotate(log_file: Path) -> None:
    """Keep one older log: a server that is started a thousand times must not fill the disk."""
    if log_file.exists() and log_file.stat().st_size > LOG_BYTES:
        log_file.replace(log_file.with_suffix(".old.log"))
