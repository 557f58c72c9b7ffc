"""Forward passes in order: questions first, what arrives together in one batch.

Callers in any number of threads hand in inputs and wait for futures. Lanes (one per core, or
one for a wide model) take the waiting urgent inputs, as many as a batch holds; only when there
are none, the next slice of bulk work. A question waits at most for the slices that run.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Task
from embeddings.encoders.batching import token_batches

Head: TypeAlias = Callable[[torch.Tensor, Ids], Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Job:
    """One input: its ids, the task whose adapter it wants, and what to make of its states."""

    ids: Ids
    task: Task
    head: Head
    done: Future[Any] = field(default_factory=Future)


Forward: TypeAlias = Callable[[Sequence[Job]], Sequence[Any]]


class ForwardQueue:
    """Runs `forward` over batches of jobs; one queue per model and process.

    `budget` bounds a batch in padded tokens; `lanes` passes run side by side with
    `lane_threads` torch threads each.
    """

    def __init__(self, forward: Forward, *, budget: int, lanes: int, lane_threads: int) -> None:
        self._forward = forward
        self._budget = budget
        self._lanes, self._lane_threads = lanes, lane_threads
        self._urgent: deque[Job] = deque()
        self._bulk: deque[list[Job]] = deque()
        self._work = threading.Condition()
        self._started_in: int | None = None

    def run(self, jobs: Sequence[Job], *, urgent: bool) -> list[Any]:
        """The outputs in order; raises what the forward pass raised."""
        self.submit(jobs, urgent=urgent)
        return [job.done.result() for job in jobs]

    def submit(self, jobs: Sequence[Job], *, urgent: bool) -> None:
        """Queue the jobs; their futures tell when they are done."""
        lengths = [len(job.ids) for job in jobs]
        with self._work:
            self._start()
            if urgent:
                self._urgent.extend(jobs)
            else:
                batches = token_batches(lengths, budget=self._budget)
                self._bulk.extend([jobs[i] for i in batch] for batch in batches)
            self._work.notify_all()

    @property
    def waiting(self) -> int:
        """Urgent inputs and bulk slices that no lane has taken yet."""
        return len(self._urgent) + len(self._bulk)

    def _start(self) -> None:
        """Lanes are threads, which do not survive a fork: each process starts its own."""
        if self._started_in == os.getpid():
            return
        for number in range(self._lanes):
            threading.Thread(target=self._lane, name=f"encode-{number}", daemon=True).start()
            self._started_in = os.getpid()

    def _lane(self) -> None:
        torch.set_num_threads(self._lane_threads)  # of this thread
        while True:
            self._process(self._take())

    def _take(self) -> list[Job]:
        with self._work:
            while not (self._urgent or self._bulk):
                self._work.wait()
            return self._take_urgent() if self._urgent else self._bulk.popleft()

    def _take_urgent(self) -> list[Job]:
        """First come, first served, as long as the padded batch stays within its limit."""
        limit = self._urgent_limit()
        batch = [self._urgent.popleft()]
        longest = len(batch[0].ids)
        while self._urgent:
            longest = max(longest, len(self._urgent[0].ids))
            if longest * (len(batch) + 1) > limit:
                break
            batch.append(self._urgent.popleft())
        return batch

    def _urgent_limit(self) -> int:
        """Padded tokens; a lane leaves the other lanes their part of what waits."""
        waiting = sum(len(job.ids) for job in self._urgent)
        share = -(-waiting // self._lanes) if self._lanes > 1 else self._budget
        return min(self._budget, max(share, self._budget // 8))

    def _process(self, batch: Sequence[Job]) -> None:
        try:
            outputs = self._forward(batch)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self._fail(batch, error)
            return
        for job, output in zip(batch, outputs, strict=True):
            job.done.set_result(output)

    def _fail(self, batch: Sequence[Job], error: BaseException) -> None:
        """A batch of several callers is tried one by one: nobody fails for another's text."""
        if len(batch) == 1:
            batch[0].done.set_exception(error)
            return
        for job in batch:
            self._process([job])
