"""Processor threads and devices for encoders: decided once per process.

On CPU, short inputs run fastest as one single-threaded forward pass per core side by side
(docs/decisions/005): torch's own threads wait for each other at every small layer. Models
whose every operation is large ("wide") get all cores for one pass at a time, and so do GPUs.
"""

from __future__ import annotations

import os
from functools import cache

import torch
from django.conf import settings


def threads() -> int:
    """Cores this process may use, or `ENCODER_THREADS`."""
    configured: int = settings.ENCODER_THREADS
    return configured or len(os.sched_getaffinity(0))


def lanes(*, wide: bool) -> tuple[int, int]:
    """How many forward passes run side by side, and torch's threads for each."""
    return (1, threads()) if wide or device().type != "cpu" else (threads(), 1)


@cache
def device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision() -> torch.dtype:
    """bfloat16 on a GPU, float32 on CPU; the two may serve one index (docs/decisions/009)."""
    return torch.bfloat16 if device().type == "cuda" else torch.float32
