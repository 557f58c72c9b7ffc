"""Passages of an article: cut on headings, then paragraphs, then sentences, with exact offsets.

The passages tile the body: each character is in exactly one, whatever the language, so that
what is pooled per passage adds up to the whole article.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from kb.blocks import BlockKind, parse_blocks
from kb.sentences import split_block

# A heading begins a new passage unless the one before it is still a crumb.
CRUMB = 0.25
# A full passage ends at its last paragraph, if that leaves so much of it.
PARAGRAPH_AT_LEAST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """`body[start:end]`, at most `size` tokens, and whether a heading or paragraph begins it."""

    start: int
    end: int
    tokens: int
    heading: bool
    paragraph: bool


def cut_passages(
    body: str, *, language: str, starts: Sequence[int], size: int
) -> list[tuple[int, int]]:
    """Character ranges of at most `size` tokens that tile 0 to len(body).

    `starts` are the first characters of the body's tokens, in order. A body without tokens is
    one passage; none of several is without tokens.
    """
    if size < 1:
        raise ValueError(f"size {size} must be 1 or more")
    counter = _Counter(starts)
    passages: list[tuple[int, int]] = []
    current: list[_Unit] = []
    for unit in _units(body, language, counter, size):
        if _begins_new(current, unit, size):
            kept, current = _close(current, unit, size)
            passages.append(kept)
        current.append(unit)
    return [*passages, (current[0].start, len(body))] if current else [(0, len(body))]


class _Counter:
    """How many tokens begin in a range of characters."""

    def __init__(self, starts: Sequence[int]) -> None:
        # Normalisation may swap combining marks; a search needs them in order.
        self.starts = list(accumulate(starts, max))

    def count(self, start: int, end: int) -> int:
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)


def _begins_new(current: Sequence[_Unit], unit: _Unit, size: int) -> bool:
    held = sum(each.tokens for each in current)
    if not held or not unit.tokens:
        return False
    return held + unit.tokens > size or (unit.heading and held >= CRUMB * size)


def _close(current: list[_Unit], unit: _Unit, size: int) -> tuple[tuple[int, int], list[_Unit]]:
    """The passage that ends here, and the units that go on to the next one."""
    if not (unit.heading or unit.paragraph):
        held = 0
        for place in reversed(range(1, len(current))):
            held += current[place].tokens
            before = sum(each.tokens for each in current[:place])
            if before < PARAGRAPH_AT_LEAST * size or held + unit.tokens > size:
                break
            if current[place].paragraph or current[place].heading:
                return (current[0].start, current[place].start), current[place:]
    return (current[0].start, unit.start), []


def _units(body: str, language: str, counter: _Counter, size: int) -> Iterator[_Unit]:
    kinds = _boundaries(body, language)
    for start, end in pairwise([*sorted(kinds), len(body)]):
        heading, paragraph = kinds[start]
        for piece, (first, last) in enumerate(_split(body, start, end, counter, size)):
            yield _Unit(
                start=first,
                end=last,
                tokens=counter.count(first, last),
                heading=heading and piece == 0,
                paragraph=paragraph and piece == 0,
            )


def _boundaries(body: str, language: str) -> dict[int, tuple[bool, bool]]:
    """Where sentences begin, and whether (a heading, a paragraph) does; always at 0."""
    found: dict[int, tuple[bool, bool]] = {}
    for block in parse_blocks(body):
        for number, (start, _) in enumerate(split_block(body, block, language)):
            if number:
                found.setdefault(start, (False, False))
                continue
            line = body.rfind("\n", 0, start) + 1  # marks before a block belong to it
            found[line] = (block.kind == BlockKind.HEADING, True)
    found.pop(len(body), None)
    return {**found, 0: found.get(0, (False, True))} if body else {}


def _split(
    body: str, start: int, end: int, counter: _Counter, size: int
) -> Iterator[tuple[int, int]]:
    """A sentence over `size` in pieces, at white space where there is some near."""
    while counter.count(start, end) > size:
        first = bisect_left(counter.starts, start)
        candidates = counter.starts[first + (size + 1) // 2 : first + size + 1]
        spaced = [at for at in candidates if at > start and body[at - 1].isspace()]
        cut = spaced[-1] if spaced else max(candidates[-1], start + 1)
        yield start, cut
        start = cut
    yield start, end
