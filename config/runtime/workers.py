"""The worker and the clock that a checkout runs beside its embedded servers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.runtime.commands import Command, beat, worker
from config.runtime.fingerprints import code_fingerprint
from config.runtime.paths import PROJECT_ROOT
from config.runtime.processes import ManagedProcess
from config.runtime.urls import ServiceUrls


class EmbeddedProcesses:
    """One Celery worker for both queues and one beat, restarted when the code has changed."""

    def __init__(self, data_dir: Path, urls: ServiceUrls) -> None:
        self.data_dir = data_dir.resolve()
        self._env = {
            "PYTHONUNBUFFERED": "1",  # else the log stays empty for as long as all is well
            "DATABASE_URL": urls.database_url,
            "REDIS_URL": urls.redis_url,
            "UNABRIDGED_DATA_DIR": str(self.data_dir),
        }

    @property
    def all(self) -> tuple[ManagedProcess, ...]:
        """The worker, then beat."""
        commands = {"worker": worker(), "beat": beat(data_dir=self.data_dir)}
        return tuple(self._process(name, command) for name, command in commands.items())

    def start(self) -> None:
        """Start what does not run, and restart what runs older code. Raises RuntimeFailure."""
        code = code_fingerprint()
        for process in self.all:
            if process.alive and process.note != code:
                process.stop()
            process.start(note=code)

    def stop(self) -> None:
        """End them; a task that does not end in ten seconds runs again later."""
        for process in reversed(self.all):
            process.stop()

    def _process(self, name: str, command: Command) -> ManagedProcess:
        env: Mapping[str, str] = {**command.env, **self._env}
        return ManagedProcess(
            name=name,
            argv=command.argv,
            env=env,
            log_file=self.data_dir / "log" / f"{name}.log",
            pid_file=self.data_dir / f"{name}.pid",
            cwd=PROJECT_ROOT,
        )
