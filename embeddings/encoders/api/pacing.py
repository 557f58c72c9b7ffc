"""Keeps within a paid plan's limits, so that the server has nothing to refuse.

Jina's plans allow so many requests and tokens within any 60 seconds and so many requests at
the same time; answers say in `X-RateLimit-Remaining-Requests` and `-Tokens` what is left.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from embeddings.errors import EncoderUnavailable

# A second more than the plans say: not all requests take the same time to arrive.
WINDOW_SECONDS = 61.0
# A minute's wait is usual in bulk work; a longer one is for the caller to come back after.
LONGEST_WAIT = 90.0
REMAINING_REQUESTS = "X-RateLimit-Remaining-Requests"
REMAINING_TOKENS = "X-RateLimit-Remaining-Tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Limits of an account; per minute means within any 60 seconds."""

    requests_per_minute: float = math.inf
    tokens_per_minute: float = math.inf
    concurrency: int = 16

    def pacer(self) -> Pacer:
        """A pacer that keeps within it."""
        return Pacer(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            concurrency=self.concurrency,
        )


PLANS = {
    "free": Plan(requests_per_minute=500, tokens_per_minute=1_000_000, concurrency=5),
    "tier1": Plan(requests_per_minute=500, tokens_per_minute=10_000_000, concurrency=50),
    "tier2": Plan(requests_per_minute=5_000, tokens_per_minute=100_000_000, concurrency=500),
}


@dataclass(slots=True, kw_only=True)
class _Spent:
    """One request, or what others seem to have spent with the same account."""

    at: float
    requests: float
    tokens: float


class Turn:
    """Leave to send one request; told what came of it."""

    def __init__(self, pacer: Pacer, spent: _Spent) -> None:
        self._pacer, self._spent = pacer, spent

    def answered(self, headers: Mapping[str, str], tokens: int | None) -> None:
        """Correct the books by the server's own: `tokens` it counted, limits it has left."""
        self._pacer._settle(self._spent, headers, tokens)  # noqa: SLF001 - two halves of one


class Pacer:
    """Blocks each request until the plan has room for it. Thread-safe; for one process.

    What other processes spend with the same account shows in the server's headers, and counts.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float,
        tokens_per_minute: float,
        concurrency: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._requests, self._tokens = requests_per_minute, tokens_per_minute
        self._seats = threading.BoundedSemaphore(concurrency)
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._spent: deque[_Spent] = deque()
        self._held_until = -math.inf

    @contextmanager
    def request(self, tokens: int, *, patience: float = math.inf) -> Iterator[Turn]:
        """Waits for a seat and for room for one request of about `tokens`.

        Raises EncoderUnavailable when the wait for either would be over `patience` seconds, or
        the server asked for a pause of more than LONGEST_WAIT.
        """
        seated = self._seats.acquire(timeout=min(patience, threading.TIMEOUT_MAX))
        if not seated:
            raise EncoderUnavailable("Too many requests wait for the model's API; try again.")
        try:
            yield Turn(self, self._wait_for_room(tokens, patience))
        finally:
            self._seats.release()

    def hold(self, seconds: float) -> None:
        """Send nothing for so long: the server asked for it."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def _wait_for_room(self, tokens: int, patience: float) -> _Spent:
        while True:
            with self._lock:
                now = self._clock()
                wait = self._wait(tokens, now)
                if wait <= 0:
                    spent = _Spent(at=now, requests=1, tokens=tokens)
                    self._spent.append(spent)
                    return spent
            if wait > min(patience, LONGEST_WAIT):
                raise EncoderUnavailable(
                    f"The plan of the model's API is used up for {wait:.0f} seconds; try again "
                    "then, or take a larger plan."
                )
            self._sleep(wait)

    def _wait(self, tokens: int, now: float) -> float:
        """Seconds until there may be room; 0 or less: now."""
        self._forget(now)
        if now < self._held_until:
            return self._held_until - now
        wait = 0.0
        requests_over = sum(spent.requests for spent in self._spent) + 1 - self._requests
        tokens_over = sum(spent.tokens for spent in self._spent) + tokens - self._tokens
        for spent in self._spent:  # a request over the whole plan goes when all else is past
            if requests_over <= 0 and tokens_over <= 0:
                break
            requests_over, tokens_over = requests_over - spent.requests, tokens_over - spent.tokens
            wait = spent.at + WINDOW_SECONDS - now
        return wait

    def _settle(self, spent: _Spent, headers: Mapping[str, str], tokens: int | None) -> None:
        with self._lock:
            now = self._clock()
            self._forget(now)
            if tokens is not None:
                spent.tokens = tokens
            others = _Spent(
                at=now,
                requests=self._unseen(headers, REMAINING_REQUESTS, self._requests, "requests"),
                tokens=self._unseen(headers, REMAINING_TOKENS, self._tokens, "tokens"),
            )
            if others.requests or others.tokens:
                self._spent.append(others)

    def _unseen(self, headers: Mapping[str, str], name: str, limit: float, what: str) -> float:
        """What the server has counted beyond our own books."""
        try:
            remaining = float(headers[name])
        except (KeyError, ValueError):
            return 0.0
        ours = sum(getattr(spent, what) for spent in self._spent)
        unseen = limit - remaining - ours
        return max(0.0, unseen) if math.isfinite(unseen) else 0.0

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0].at + WINDOW_SECONDS <= now:
            self._spent.popleft()
