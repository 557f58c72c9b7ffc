"""Where the milliseconds of a question go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Names laps and adds them up, in milliseconds."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.laps: dict[str, float] = {}

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """The time that the block takes, added to lap `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - started) * 1000
            self.laps[name] = round(self.laps.get(name, 0.0) + spent, 2)

    def milliseconds(self) -> dict[str, float]:
        """Every lap, and `total` since the start."""
        total = (time.perf_counter() - self.started) * 1000
        return {**self.laps, "total": round(total, 2)}
