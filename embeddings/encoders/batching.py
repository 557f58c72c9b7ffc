"""Batches bounded by tokens: memory and time follow tokens, not texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def token_batches(lengths: Sequence[int], *, budget: int) -> Iterator[list[int]]:
    """Indexes of `lengths`, longest first, in batches of at most `budget` padded tokens.

    A text over the budget makes a batch of its own. Neighbours are of like length, so that
    little is spent on padding.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
