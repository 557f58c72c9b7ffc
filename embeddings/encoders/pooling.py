"""From token states to one vector (Sentence-BERT, arXiv 1908.10084, and its successors)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

Pooling: TypeAlias = Callable[[torch.Tensor], torch.Tensor]  # (tokens, hidden) -> (hidden,)


def mean(states: torch.Tensor) -> torch.Tensor:
    """The mean over all tokens, special ones included."""
    return states.mean(dim=0)


def cls(states: torch.Tensor) -> torch.Tensor:
    """The first token's state ([CLS])."""
    return states[0]


def last(states: torch.Tensor) -> torch.Tensor:
    """The last token's state."""
    return states[-1]


def maximum(states: torch.Tensor) -> torch.Tensor:
    """The largest value of each dimension."""
    return states.amax(dim=0)


POOLING: dict[str, Pooling] = {"mean": mean, "cls": cls, "lasttoken": last, "max": maximum}
