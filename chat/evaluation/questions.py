"""Questions to ask, and the places that answer them: what datasets and question sets become."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chat.retrieval.conversation import Turn
from kb.models import Article


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An article that answers; with offsets, the characters of its published body that do.

    A negative `article` stands for one that is not there: it counts as not found.
    """

    article: int
    relevance: int = 1
    start: int | None = None
    end: int | None = None

    def overlaps(self, article: int, start: int, end: int) -> bool:
        """Whether a quote of this article lies on the labelled characters (or anywhere)."""
        if article != self.article:
            return False
        if self.start is None or self.end is None:
            return True
        return start < self.end and self.start < end

    def inside(self, article: int, start: int, end: int) -> bool:
        """Whether all labelled characters lie in `start` to `end` of this article."""
        ranged = self.start is not None and self.end is not None
        return ranged and article == self.article and start <= self.start and self.end <= end  # type: ignore[operator]  # ranged


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """One question with the turns before it; without places it cannot be answered.

    `hidden` asks it as if its articles were not published, so that it cannot be either.
    """

    key: str
    text: str
    history: tuple[Turn, ...] = ()
    places: tuple[Place, ...] = ()
    language: str = ""
    hidden: bool = False

    @property
    def answerable(self) -> bool:
        """Whether something that is published answers it."""
        return bool(self.places) and not self.hidden

    @property
    def judged(self) -> dict[int, int]:
        """Relevance by article."""
        best: dict[int, int] = {}
        for place in self.places:
            best[place.article] = max(place.relevance, best.get(place.article, 0))
        return best


def locate(quote: str, body: str, *, near: int) -> tuple[int, int] | None:
    """Where `quote` stands in `body`, white space aside, the place closest to `near`.

    None when it is not there (any more), or empty.
    """
    words = quote.split()
    if not words:
        return None
    # Verbatim first: as good, and many times quicker.
    plain = re.compile(re.escape(quote.strip()))
    loose = re.compile(r"\s+".join(map(re.escape, words)))
    for pattern in (plain, loose):
        found = [match.span() for match in pattern.finditer(body)]
        if found:
            return min(found, key=lambda place: abs(place[0] - near))
    return None


def published_bodies(articles: Iterable[int]) -> dict[int, str]:
    """By article id, the text that answers may use now."""
    known = Article.objects.filter(pk__in=set(articles)).published()
    return dict(known.values_list("pk", "published_revision__body"))


def turns_from_json(history: Sequence[Mapping[str, str]]) -> tuple[Turn, ...]:
    """What a labelled question keeps."""
    return tuple(
        Turn(role="assistant" if turn["role"] == "assistant" else "visitor", text=turn["text"])
        for turn in history
    )
