"""Processor threads for encoders: set once per process.

On CPU, short inputs run fastest as one single-threaded forward pass per core side by side
(docs/benchmarks/): torch's own threads wait for each other at every small layer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from django.conf import settings

In = TypeVar("In")
Out = TypeVar("Out")


def map_batches(work: Callable[[In], Out], batches: Iterable[In]) -> list[Out]:
    """`work` of each batch, in order, one batch per core at a time.

    The first error is raised once the running batches have ended.
    """
    items = list(batches)
    executor = _executor()
    if len(items) == 1:
        return [work(items[0])]
    return list(executor.map(work, items))


def threads() -> int:
    """Cores this process may use, or `ENCODER_THREADS`."""
    configured: int = settings.ENCODER_THREADS
    return configured or len(os.sched_getaffinity(0))


@cache
def _executor() -> ThreadPoolExecutor:
    torch.set_num_threads(1)
    return ThreadPoolExecutor(threads(), thread_name_prefix="encode")
