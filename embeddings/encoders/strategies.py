"""What each strategy means for the cutting of articles."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict, Unpack

from embeddings.encoders.cuts import Cutting
from embeddings.errors import CheckpointInvalid

PASSAGE_TOKENS = 200


class Sizes(TypedDict, total=False):
    """Options of cutting that an encoder's configuration may give, in tokens."""

    passage_tokens: int
    overlap: int
    window_overlap: int


STRATEGIES = ("whole_late", "whole", "windows", "chunks")


def cutting_for(
    strategy: str, *, window: int, pooling: str, whole_pass: bool = False, **sizes: Unpack[Sizes]
) -> Cutting:
    """The cutting of a strategy for a model whose passes take `window` tokens.

    `sizes` override `passage_tokens`, `overlap`, `window_overlap`; `whole_pass` gives the
    article a pass of its own beside its windows. Raises CheckpointInvalid
    for a strategy that the model's pooling cannot do, or sizes that do not fit.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise CheckpointInvalid(f"Strategy {strategy!r} is not known; known are {known}.")
    if strategy == "whole_late" and pooling != "mean":
        raise CheckpointInvalid(
            f"Late chunking needs a mean-pooled model, and this one pools by {pooling!r}: "
            "use the strategy windows or whole."
        )
    size = min(PASSAGE_TOKENS, window * 3 // 4)  # leaves room for prompt and title
    defaults = Cutting(
        window=window,
        passage_tokens=size,
        overlap=size // 5,
        window_overlap=min(512, window // 4),
    )
    cutting = replace(_shape(strategy, defaults), whole_pass=whole_pass, **sizes)
    _check(cutting)
    return cutting


def _shape(strategy: str, cutting: Cutting) -> Cutting:
    if strategy == "chunks":
        return replace(cutting, overlap=0, title=False)
    if strategy == "whole":
        room = cutting.window * 7 // 8  # the rest is for prompt and title
        return replace(cutting, passage_tokens=room, overlap=min(cutting.window_overlap, room // 2))
    return cutting


def _check(cutting: Cutting) -> None:
    fits = (
        0 < cutting.passage_tokens <= cutting.window
        and 0 <= cutting.overlap < cutting.passage_tokens
        and 0 <= cutting.window_overlap < cutting.window
    )
    if not fits:
        raise CheckpointInvalid(
            f"Passages of {cutting.passage_tokens} tokens with an overlap of {cutting.overlap}, "
            f"in passes of {cutting.window} that share {cutting.window_overlap}: each overlap "
            "must be below its size, and passages must fit the window."
        )
