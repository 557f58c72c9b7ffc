"""Questions at a steady rate, whatever the answers do (an open loop: waiting is not hidden)."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from benchmarks.retrieval.report import percentile

THREADS = 64
SECONDS = 60.0  # a request is given up after


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: when it was due (seconds of the monotonic clock), how long after that it was
    answered (milliseconds), and with what status (0: not at all)."""

    due: float
    milliseconds: float
    status: int


class Load:
    """Sends `send(number)` at `rate` a second from a pool of threads."""

    def __init__(self, send: Callable[[int], int], *, rate: float) -> None:
        self._send, self._rate = send, rate
        self._stop = threading.Event()
        self.asked: list[Asked] = []

    @contextmanager
    def running(self) -> Iterator[Load]:
        """While the block runs; all that were sent have ended after it."""
        with ThreadPoolExecutor(THREADS) as pool:
            clock = threading.Thread(target=self._tick, args=(pool,), daemon=True)
            clock.start()
            try:
                yield self
            finally:
                self._stop.set()
                clock.join()

    def between(self, start: float, end: float) -> list[Asked]:
        """Those that were due in a span of the monotonic clock."""
        return [each for each in list(self.asked) if start <= each.due < end]

    def _tick(self, pool: ThreadPoolExecutor) -> None:
        began = time.monotonic()
        for number in itertools.count():
            due = began + number / self._rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            pool.submit(self._one, number, due)

    def _one(self, number: int, due: float) -> None:
        try:
            status = self._send(number)
        except httpx.HTTPError:
            status = 0
        spent = 1000 * (time.monotonic() - due)
        self.asked.append(Asked(due=due, milliseconds=spent, status=status))


def spread(asked: Sequence[Asked]) -> dict[str, float]:
    """Percentiles and the slowest, in milliseconds."""
    spent = [each.milliseconds for each in asked]
    return {
        "requests": len(spent),
        "failed": sum(each.status not in {200, 201} for each in asked),
        **{f"p{each}_ms": percentile(spent, each) for each in (50, 95, 99)},
        "max_ms": round(max(spent), 1),
    }
