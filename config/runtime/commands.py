"""The commands of every process of the product, in one place.

docker-compose.yml repeats the ones that it runs, and a test compares them with these.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

QUEUES = ("interactive", "bulk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run and what to add to its environment; run it in the project's folder."""

    argv: tuple[str, ...]
    extra_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """Our own environment with the additions; what the user has set wins."""
        return {**self.extra_env, **os.environ}


def worker(
    *, name: str = "embedded", queues: Sequence[str] = QUEUES, concurrency: int = 2
) -> Command:
    """A Celery worker in threads: one copy of the model, and it answers while it computes."""
    return Command(
        argv=(
            *_celery("worker"),
            *("-Q", ",".join(queues), "--pool=threads", "-c", str(concurrency)),
            *("-n", f"{name}@%h"),
        ),
        extra_env={
            "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // concurrency)),
            "TOKENIZERS_PARALLELISM": "false",
        },
    )


def beat(*, data_dir: Path) -> Command:
    """The clock of the periodic jobs; one of it, ever."""
    return Command(argv=(*_celery("beat"), "--schedule", str(data_dir / "celerybeat-schedule")))


def web(*, port: int, host: str = "127.0.0.1") -> Command:
    """The HTTP server."""
    return Command(
        argv=(
            *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
            *("--host", host, "--port", str(port)),
        )
    )


def manage(*arguments: str) -> Command:
    """One run of manage.py."""
    return Command(argv=(sys.executable, "manage.py", *arguments))


def _celery(part: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "-A", "config", part)
