"""Text that stands in several places is given once, and says where else it stands.

Only what says the same words in the same order is folded, whatever its case, markup, white
space and the punctuation around its words: in paraphrases one word ("not", another number)
may be all the difference, and which of two articles is right is not for the context to
decide. Signs (-5, .5, 5 %, €5, > 5, C++) are part of a word or words themselves.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

# Scripts without spaces between words are read character by character.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}\u3000-\u3002\u3008-\u3011\u3014-\u301b]+")
# A mark before a word is more often a sign (.5, #4, !important, –5) than one after it.
OPENING = "*`|([{\"'“”„‘’‚«»‹›,;:…—•¿¡，；：（"
CLOSING = "*`|)]},;:.!?…–—•，；：！？）"
QUOTES = "\"'“”„‘’‚«»‹›"
UNITS = frozenset("\"'”’")  # after a digit: feet and inches
# At the beginning of a line: of lists and headings, rules, and a table's second line.
LINE_MARK = re.compile(r"[-+*]|#{1,6}|[-=*:|]{3,}")
SHINGLE = 3
Word: TypeAlias = tuple[str, int, int]  # as compared, and the characters it stands on
# What is known to a lesser part is not looked for.
KNOWN_SHARE = 0.5
PLACES_TRIED = 4
LOOK_BACK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Characters `start` to `end` of the body of the article at `rank` (0: the first)."""

    rank: int
    start: int
    end: int

    def overlaps(self, other: Part) -> bool:
        """Whether they share characters of one article."""
        return self.rank == other.rank and self.start < other.end and other.start < self.end


class Said:
    """Which words the parts added so far say, each in one of `bodies`."""

    def __init__(self, bodies: Sequence[str]) -> None:
        self._bodies = bodies
        self._at: defaultdict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
        self._read: dict[Part, list[Word]] = {}

    def add(self, part: Part) -> None:
        """From now on, what repeats this is found."""
        words = self._words(part)
        for shingle, (_, at, _) in zip(_shingles(words), words, strict=False):
            self._at[shingle].append((part.rank, at))

    def twin(self, part: Part) -> Part | None:
        """Where else all words of `part` stand, in their order; at least half of them have been
        added, and the others stand beside those. None for less than three words."""
        words = self._words(part)
        shingles = _shingles(words)
        known = [first for first, shingle in enumerate(shingles) if shingle in self._at]
        if not known or len(known) < KNOWN_SHARE * len(shingles):
            return None
        places = self._at[shingles[known[0]]][:PLACES_TRIED]
        texts = [word for word, _, _ in words]
        found = (self._same(texts, known[0], rank, at) for rank, at in places)
        return next((each for each in found if each and not each.overlaps(part)), None)

    def _words(self, part: Part) -> list[Word]:
        """Kept: what is looked for is often added next."""
        if part not in self._read:
            self._read[part] = list(_words(self._bodies[part.rank], part.start, part.end))
        return self._read[part]

    def _same(self, words: Sequence[str], first: int, rank: int, at: int) -> Part | None:
        """All of `words`, of which number `first` stands at character `at`; else None."""
        body = self._bodies[rank]
        start = end = at
        following = _words(body, at, len(body))
        for word in words[first:]:
            said, _, end = next(following, ("", 0, 0))
            if said != word:
                return None
        for word in reversed(words[:first]):
            said, start = _word_before(body, start)
            if said != word:
                return None
        return Part(rank=rank, start=start, end=end)


def _shingles(words: Sequence[Word]) -> list[tuple[str, ...]]:
    texts = [word for word, _, _ in words]
    return list(zip(*(texts[first:] for first in range(SHINGLE)), strict=False))


def _words(body: str, start: int, end: int) -> Iterator[Word]:
    """In order, with the marks around each among its characters."""
    for found in WORD.finditer(body, start, end):
        word = found[0]
        if not word.isalnum():  # most are, and need no look at their marks
            word = _bare(word)
            if not word or _marks_line(body, found):
                continue
        yield word.casefold(), found.start(), found.end()


@lru_cache(8192)
def _bare(word: str) -> str:
    """Without the punctuation around it; its signs stay."""
    opened = word.lstrip(OPENING)
    bare = opened.rstrip(CLOSING + QUOTES)
    after = opened[len(bare) : len(bare) + 1]
    return bare + after if bare[-1:].isdigit() and after in UNITS else bare


def _marks_line(body: str, found: re.Match[str]) -> bool:
    if not LINE_MARK.fullmatch(found[0]):
        return False
    line = body.rfind("\n", 0, found.start()) + 1
    return not body[line : found.start()].strip(" \t|:-")


def _word_before(body: str, end: int) -> tuple[str, int]:
    """The last word before a character, and where it begins; an empty one at the beginning."""
    width = LOOK_BACK
    while True:
        begin = max(0, end - width)
        found = list(_words(body, begin, end))
        # The first one found may be the end of a longer one.
        if len(found) > 1 or not begin:
            return (found[-1][0], found[-1][1]) if found else ("", 0)
        width *= 4
