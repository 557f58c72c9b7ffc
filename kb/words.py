"""Words of texts as PostgreSQL stems them: the same that the full-text index holds.

Languages without a stemmer keep their words as they are; scripts without spaces become
pairs of letters. A phrase is two neighbouring words with at most two dropped stop words
between them (the ordered window of Metzler & Croft 2005); full stops do not part it, since
PostgreSQL counts no places for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from django.db import connection

from kb.languages import search_configuration

Phrase: TypeAlias = tuple[str, str]

# Neighbours may stand so many words apart, counting stop words that were dropped.
PHRASE_WINDOW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The stemmed words of one text, with their places in it (counted from 1)."""

    language: str
    places: Mapping[str, Sequence[int]]

    @property
    def length(self) -> int:
        """How many words there are, without stop words."""
        return sum(len(places) for places in self.places.values())

    def counts(self) -> dict[str, int]:
        """How often each word occurs."""
        return {word: len(places) for word, places in self.places.items()}

    def phrases(self) -> dict[Phrase, int]:
        """How often each pair of neighbours occurs."""
        found: dict[Phrase, int] = {}
        for phrase in _neighbours(self.places):
            found[phrase] = found.get(phrase, 0) + 1
        return found


STATEMENT = """
    SELECT t.number, x.lexeme, x.positions
    FROM unnest(%(texts)s::text[], %(configurations)s::text[])
             WITH ORDINALITY AS t(text, configuration, number),
         LATERAL unnest(kb_search_vector(t.configuration::regconfig, '', t.text)) x
"""


def words_of(texts: Sequence[str], languages: Sequence[str]) -> list[Words]:
    """The words of each text, stemmed in its language. One query.

    Of a text with more than PostgreSQL holds (1 MB), those of as much of its beginning as fits.
    """
    places: list[dict[str, Sequence[int]]] = [{} for _ in texts]
    parameters = {
        "texts": list(texts),
        "configurations": [search_configuration(language) for language in languages],
    }
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, parameters)
        for number, word, positions in cursor.fetchall():
            places[number - 1][word] = positions
    return [
        Words(language=language, places=each)
        for language, each in zip(languages, places, strict=True)
    ]


def _neighbours(places: Mapping[str, Sequence[int]]) -> Iterator[Phrase]:
    at: dict[int, list[str]] = {}
    for word, positions in places.items():
        for place in positions:
            at.setdefault(place, []).append(word)
    order = sorted(at)
    for first, second in pairwise(order):
        if second - first <= PHRASE_WINDOW:
            yield from ((one, other) for one in at[first] for other in at[second])
