"""Overlapping windows over a text's tokens, with exact character offsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Tokens `first:last` of a text, which are its characters `start:end`."""

    first: int
    last: int
    start: int
    end: int


def cut_windows(
    offsets: Sequence[tuple[int, int]],
    words: Sequence[int | None],
    *,
    length: int,
    size: int,
    overlap: int,
) -> list[Window]:
    """Windows of at most `size` tokens that share about `overlap` with the one before.

    `offsets` are (start, end) characters of each token and `words` the number of the word
    each belongs to; `length` is the text's length in characters. Windows are of even size,
    so that none is a crumb, and begin at a word where one begins near. Together they cover
    characters 0 to `length` without a gap. A text without tokens is one empty window.
    """
    total = len(offsets)
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} must be 0 or more and below size {size}")
    if total == 0:
        return [Window(first=0, last=0, start=0, end=length)]
    count = max(1, math.ceil((total - overlap) / (size - overlap)))
    step = (total - overlap) / count
    firsts = [_word_start(words, round(number * step), overlap // 2) for number in range(count)]
    # Each window ends `overlap` after the plain start of the next, never over `size`.
    lasts = [
        min(round((number + 1) * step) + overlap, first + size, total)
        for number, first in enumerate(firsts)
    ]
    lasts[-1] = total
    # Without overlap the white space between two windows belongs to the one before it.
    starts = [0, *(offsets[first][0] for first in firsts[1:])]
    ends = [offsets[last - 1][1] for last in lasts]
    ends = [max(end, start) for end, start in zip(ends, [*starts[1:], length], strict=True)]
    return [
        Window(first=first, last=last, start=start, end=end)
        for first, last, start, end in zip(firsts, lasts, starts, ends, strict=True)
    ]


def covered_characters(windows: Sequence[Window]) -> int:
    """How many characters at least one window reaches; windows in order of their start."""
    covered, reached = 0, 0
    for window in windows:
        covered += max(0, window.end - max(window.start, reached))
        reached = max(reached, window.end)
    return covered


def _word_start(words: Sequence[int | None], token: int, most: int) -> int:
    """The nearest token at or after `token` that begins a word, at most `most` further on."""
    if token == 0:
        return 0
    for candidate in range(token, min(token + most + 1, len(words))):
        if words[candidate] != words[candidate - 1]:
            return candidate
    return token
