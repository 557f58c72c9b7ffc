"""How much may wait: past it a request is refused at once (429), not left to time out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from embeddings.server.problems import Refused


class Admission:
    """Counts what is in hand. Used from the event loop only, so it needs no lock.

    Queries and bulk work have a limit each: no amount of bulk work shuts queries out.
    """

    def __init__(self, *, queries: int, bulk: int) -> None:
        self._limits = {True: queries, False: bulk}
        self._inside = {True: 0, False: 0}

    @property
    def waiting(self) -> int:
        """Requests in hand."""
        return sum(self._inside.values())

    @contextmanager
    def admit(self, *, urgent: bool) -> Iterator[None]:
        """Raises Refused (429 with Retry-After) when as many as may wait do."""
        if self._inside[urgent] >= self._limits[urgent]:
            raise Refused(
                429,
                "RATE_CONCURRENCY_LIMIT_EXCEEDED",
                f"{self._limits[urgent]} requests are waiting already; try again shortly.",
                retry_after=1 if urgent else 5,
            )
        self._inside[urgent] += 1
        try:
            yield
        finally:
            self._inside[urgent] -= 1
