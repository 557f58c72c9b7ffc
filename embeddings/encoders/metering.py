"""Counts what paid models spend, for whoever asked: a job, a request, a benchmark."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Meter:
    """Tokens spent while it was current. Thread-safe."""

    def __init__(self, outer: Meter | None = None) -> None:
        self._outer = outer
        self._lock = threading.Lock()
        self._tokens = 0

    @property
    def tokens(self) -> int:
        """Tokens so far, as the servers counted them."""
        return self._tokens

    def add(self, tokens: int) -> None:
        """Count these here and in the meter around this one."""
        with self._lock:
            self._tokens += tokens
        if self._outer:
            self._outer.add(tokens)


_current: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered(meter: Meter | None = None) -> Iterator[Meter]:
    """A meter of what this context spends, threads that were given a copy of it included."""
    meter = meter or Meter(_current.get())
    token = _current.set(meter)
    try:
        yield meter
    finally:
        _current.reset(token)


def add_tokens(tokens: int) -> None:
    """Count tokens to the meter of the calling context; without one they are not counted."""
    meter = _current.get()
    if meter:
        meter.add(tokens)
