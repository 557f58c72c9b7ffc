"""Late chunking: one forward pass over a whole article, then a vector per passage.

Pure functions over token states and character offsets (arXiv 2409.04701). A sequence is the
special tokens, the task's prompt, the title and the body, then the closing special tokens.
Its first passage takes everything before it, its last one everything after, so that the
passages' token-weighted mean is the article's own mean.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

States: TypeAlias = NDArray[np.float32]  # shape (tokens, hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongWindow:
    """Tokens `first:last` in a forward pass of their own; the first `repeated` are context."""

    first: int
    last: int
    repeated: int


def long_windows(total: int, *, size: int, overlap: int) -> list[LongWindow]:
    """Windows of at most `size` tokens, each beginning with `overlap` of the one before.

    One window if all fits; never one that holds nothing new. `overlap` gives the tokens after
    a border their left context; their states are taken from the earlier window.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} must be 0 or more and below size {size}")
    windows = [LongWindow(first=0, last=min(size, total), repeated=0)]
    while windows[-1].last < total:
        first = windows[-1].last - overlap
        windows.append(LongWindow(first=first, last=min(first + size, total), repeated=overlap))
    return windows


def join_states(outputs: Sequence[States], windows: Sequence[LongWindow]) -> States:
    """States of the whole sequence from those of its windows, repeats dropped."""
    if len(outputs) == 1:
        return outputs[0]
    kept = [states[w.repeated :] for states, w in zip(outputs, windows, strict=True)]
    return np.concatenate(kept)


def token_spans(
    starts: Sequence[int], ranges: Sequence[tuple[int, int]], *, before: int, total: int
) -> list[tuple[int, int]]:
    """For each character range, its tokens `(first, last)` in the sequence of `total`.

    `starts` are the first characters of the body's tokens and `ranges` tile the body; `before`
    counts the tokens in front of the body's. Together the spans tile 0 to `total`.
    """
    ordered = list(accumulate(starts, max))
    firsts = [before + bisect_left(ordered, start) for start, _ in ranges]
    edges = [0, *firsts[1:], total]
    return list(pairwise(edges))


def pool_spans(states: States, spans: Sequence[tuple[int, int]]) -> States:
    """Mean of the states of each span, shape (len(spans), hidden); zeros for an empty one."""
    pooled = np.zeros((len(spans), states.shape[1]), dtype=np.float32)
    for row, (first, last) in enumerate(spans):
        if last > first:
            pooled[row] = states[first:last].mean(axis=0, dtype=np.float64)
    return pooled


def weighted_mean(vectors: States, weights: Sequence[int]) -> NDArray[np.float32]:
    """Mean of passage means weighted by their tokens: the mean over the whole sequence."""
    shares = np.asarray(weights, dtype=np.float64)
    mean: NDArray[np.float32] = (shares @ vectors / max(shares.sum(), 1.0)).astype(np.float32)
    return mean
