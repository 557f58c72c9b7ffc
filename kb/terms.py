"""What a question's words weigh in a workspace, from the statistics that are kept of it.

Document frequencies are those of published articles that the reader's audience may see;
filters do not change what a word is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from kb.bm25 import inverse_document_frequency
from kb.languages import Language, search_configuration
from kb.models import Audience
from kb.words import Phrase, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedText:
    """A text that asks, and how much its words count: 1 for the question itself."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageTerms:
    """A question's words in one language of the workspace.

    `weights` sum to 1 (inverse document frequency, times how much the text that said the
    word counts); a phrase weighs the mean of its words. `frequencies` count articles.
    """

    weights: Mapping[str, float]
    phrases: Mapping[Phrase, float]
    frequencies: Mapping[str, int]
    average_size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionTerms:
    """By language of the workspace's articles, the question stemmed in it."""

    documents: int
    languages: Mapping[str, LanguageTerms]

    def rarest(self, most: int) -> dict[str, list[str]]:
        """By language, its words that articles hold, rarest first, as long as no more than
        `most` articles hold any of them; at least one, if there is any."""
        return {
            language: _rarest(known.frequencies, most) for language, known in self.languages.items()
        }

    def bound(self, most: int) -> int | None:
        """`most` where even the rarest word of a language is held by more articles; None where
        those that `rarest` names find no more anyway."""
        for known in self.languages.values():
            held = [frequency for frequency in known.frequencies.values() if frequency > 0]
            if held and min(held) > most:
                return most
        return None

    def coverage(self, texts: Sequence[Words]) -> float:
        """The weight of the question's words that occur in any of the texts: 0 to 1."""
        best = 0.0
        for language, terms in self.languages.items():
            said = {word for text in texts if text.language == language for word in text.places}
            best = max(best, sum(w for word, w in terms.weights.items() if word in said))
        return best


STATEMENT = """
    WITH counts AS NOT MATERIALIZED (
        SELECT language, lexeme, documents, size FROM kb_termcount
        WHERE workspace_id = %(workspace)s AND audience = ANY(%(audiences)s)
    ),
    languages AS MATERIALIZED (
        SELECT language, sum(documents) AS documents, sum(size) AS size
        FROM counts WHERE lexeme = '' GROUP BY language HAVING sum(documents) > 0
    ),
    words AS (
        SELECT l.language, x.number, t.lexeme, t.positions
        FROM languages l
        JOIN unnest(%(languages)s::text[], %(configurations)s::text[])
            AS c(language, configuration) USING (language),
        unnest(%(texts)s::text[]) WITH ORDINALITY AS x(text, number),
        LATERAL unnest(to_tsvector(c.configuration::regconfig, kb_spaced(x.text))) t
    )
    SELECT l.language, l.documents, l.size, w.number, w.lexeme, w.positions,
           (SELECT sum(documents) FROM counts k
            WHERE k.lexeme = w.lexeme AND k.language = w.language)
    FROM languages l LEFT JOIN words w USING (language)
"""


@dataclass(slots=True)
class _Gathered:
    """One language's rows on the way to terms."""

    documents: int = 0
    size: int = 0
    texts: dict[int, dict[str, Sequence[int]]] = field(default_factory=dict)
    frequencies: dict[str, int] = field(default_factory=dict)


def question_terms(
    texts: Sequence[WeightedText], *, workspace_id: int, include_internal: bool
) -> QuestionTerms:
    """Words of all texts together, each by the weightiest text that says it. One query."""
    gathered = _gather(texts, workspace_id=workspace_id, include_internal=include_internal)
    documents = sum(each.documents for each in gathered.values())
    return QuestionTerms(
        documents=documents,
        languages={
            language: _terms(language, each, texts, documents)
            for language, each in gathered.items()
        },
    )


def average_sizes(workspace_id: int) -> dict[str, float]:
    """By language, how many different words a published article has. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT language, sum(size)::float / sum(documents) FROM kb_termcount"
            " WHERE workspace_id = %s AND lexeme = '' GROUP BY 1 HAVING sum(documents) > 0",
            [workspace_id],
        )
        return dict(cursor.fetchall())


def _rarest(frequencies: Mapping[str, int], most: int) -> list[str]:
    held = 0
    rare: list[str] = []
    for word, frequency in sorted(frequencies.items(), key=lambda item: item[1]):
        held += frequency
        if held > most and rare:
            break
        if frequency > 0:
            rare.append(word)
    return rare


def _gather(
    texts: Sequence[WeightedText], *, workspace_id: int, include_internal: bool
) -> dict[str, _Gathered]:
    audiences = Audience.values if include_internal else [Audience.PUBLIC.value]
    parameters: dict[str, Any] = {
        "workspace": workspace_id,
        "audiences": audiences,
        "texts": [each.text for each in texts],
        "languages": list(Language.values),
        "configurations": [search_configuration(language) for language in Language.values],
    }
    gathered: dict[str, _Gathered] = {}
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, parameters)
        for language, documents, size, number, word, positions, frequency in cursor.fetchall():
            known = gathered.setdefault(language, _Gathered())
            known.documents, known.size = int(documents), int(size)
            if word is not None:
                known.texts.setdefault(number - 1, {})[word] = positions
                known.frequencies[word] = int(frequency or 0)
    return gathered


def _terms(
    language: str, known: _Gathered, texts: Sequence[WeightedText], documents: int
) -> LanguageTerms:
    said: dict[str, float] = {}
    joined: dict[Phrase, float] = {}
    for number, places in known.texts.items():
        weight = texts[number].weight
        for word in places:
            said[word] = max(weight, said.get(word, 0.0))
        for phrase in Words(language=language, places=places).phrases():
            joined[phrase] = max(weight, joined.get(phrase, 0.0))
    rarity = {
        word: inverse_document_frequency(documents, frequency)
        for word, frequency in known.frequencies.items()
    }
    total = max(sum(weight * rarity[word] for word, weight in said.items()), 1e-9)
    return LanguageTerms(
        weights={word: weight * rarity[word] / total for word, weight in said.items()},
        phrases={
            (one, other): weight * (rarity[one] + rarity[other]) / 2 / total
            for (one, other), weight in joined.items()
        },
        frequencies=known.frequencies,
        average_size=known.size / known.documents,
    )
