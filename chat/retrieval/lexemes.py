"""The question's words in other texts, stemmed by PostgreSQL as the full-text index is.

Weights are inverse document frequencies over the published articles within the reader's
scope (BM25's; Robertson & Zaragoza 2009), so that "the" counts for nothing and a rare
product name for much.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from embeddings.search import PassageHit
from kb.languages import Language, search_configuration
from kb.search import SearchScope, scope_condition

K1, B = 1.2, 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionTerms:
    """The stemmed words of a question with their weights, per language of the workspace."""

    documents: int
    weights: Mapping[str, Mapping[str, float]]

    def ceiling(self, language: str | None = None) -> float:
        """The most that BM25 can give a text in `language` for this question; above 0.

        None stands for the language that knows most of the question's words, which is the
        question's own where the workspace has articles in it.
        """
        if language is not None:
            return max(sum(self.weights.get(language, {}).values()) * (K1 + 1), 1e-9)
        sums = [sum(weights.values()) for weights in self.weights.values() if weights]
        return max(min(sums, default=0.0) * (K1 + 1), 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordCounts:
    """How often each of the question's lexemes occurs in a text of `size` distinct lexemes."""

    language: str
    size: int
    counts: Mapping[str, int]


TERMS = """
    WITH configured AS (
        SELECT * FROM unnest(%(languages)s::text[], %(configurations)s::text[])
            AS c(language, configuration)
    ),
    documents AS (
        SELECT r.language, count(*) AS documents
        FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
        WHERE {condition} GROUP BY 1
    )
    SELECT d.language, d.documents, t.lexeme,
           (SELECT count(*) FROM kb_article a
            JOIN kb_revision r ON r.id = a.published_revision_id
            WHERE {condition} AND r.language = d.language
              AND r.search @@ quote_literal(t.lexeme)::tsquery)
    FROM documents d JOIN configured c USING (language)
    LEFT JOIN LATERAL unnest(to_tsvector(c.configuration::regconfig, %(question)s)) t ON true
"""

# `body || ''` is stored in full in the materialised rows: a long body is then unpacked
# once, and not again for each of its passages.
PASSAGE_WORDS = """
    WITH wanted AS (
        SELECT * FROM unnest(%(revisions)s::bigint[], %(starts)s::int[], %(ends)s::int[])
            WITH ORDINALITY AS w(revision, first, last, number)
    ),
    bodies AS MATERIALIZED (
        SELECT r.id, r.title, r.body || '' AS body, r.language
        FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
        WHERE r.id IN (SELECT revision FROM wanted) AND {condition}
    )
    SELECT w.number, b.language, v.size, v.counts
    FROM wanted w JOIN bodies b ON b.id = w.revision
    JOIN unnest(%(languages)s::text[], %(configurations)s::text[]) AS c(language, configuration)
        ON c.language = b.language,
    LATERAL (
        SELECT count(*) AS size,
               jsonb_object_agg(x.lexeme, cardinality(x.positions))
                   FILTER (WHERE x.lexeme = ANY(%(lexemes)s)) AS counts
        FROM unnest(to_tsvector(c.configuration::regconfig,
                    b.title || ' ' || substring(b.body FROM w.first + 1 FOR w.last - w.first))) x
    ) v
"""

TEXT_WORDS = """
    SELECT t.number, count(x.lexeme),
           jsonb_object_agg(x.lexeme, cardinality(x.positions))
               FILTER (WHERE x.lexeme = ANY(%(lexemes)s))
    FROM unnest(%(texts)s::text[], %(configurations)s::text[])
        WITH ORDINALITY AS t(text, configuration, number)
    LEFT JOIN LATERAL unnest(to_tsvector(t.configuration::regconfig, t.text)) x ON true
    GROUP BY t.number
"""


def question_terms(question: str, *, scope: SearchScope) -> QuestionTerms:
    """Weights of the question's words, from what this reader may find. One query."""
    condition, parameters = scope_condition(scope)
    parameters |= _configurations() | {"question": question}
    with connection.cursor() as cursor:
        cursor.execute(TERMS.format(condition=condition), parameters)
        rows = cursor.fetchall()
    documents = sum({language: count for language, count, _, _ in rows}.values())
    weights: dict[str, dict[str, float]] = {}
    for language, _, lexeme, frequency in rows:
        known = weights.setdefault(language, {})
        if lexeme is not None:
            known[lexeme] = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
    return QuestionTerms(documents=documents, weights=weights)


def count_passage_words(
    passages: Sequence[PassageHit], terms: QuestionTerms, *, scope: SearchScope
) -> dict[int, WordCounts]:
    """Counts in the title and text of each passage, by its position in `passages`. One query.

    A passage whose revision left the scope meanwhile is missing.
    """
    condition, parameters = scope_condition(scope)
    parameters |= _configurations() | {
        "revisions": [passage.revision_id for passage in passages],
        "starts": [passage.start for passage in passages],
        "ends": [passage.end for passage in passages],
        "lexemes": _lexemes(terms),
    }
    with connection.cursor() as cursor:
        cursor.execute(PASSAGE_WORDS.format(condition=condition), parameters)
        return {
            number - 1: _word_counts(terms, language, size, counts)
            for number, language, size, counts in cursor.fetchall()
        }


def count_words(
    texts: Sequence[str], languages: Sequence[str], terms: QuestionTerms
) -> list[WordCounts]:
    """Counts in each text, stemmed in its language. One query."""
    parameters = {
        "texts": list(texts),
        "configurations": [search_configuration(language) for language in languages],
        "lexemes": _lexemes(terms),
    }
    with connection.cursor() as cursor:
        cursor.execute(TEXT_WORDS, parameters)
        rows = {number - 1: (size, counts) for number, size, counts in cursor.fetchall()}
    return [
        _word_counts(terms, language, *rows[number]) for number, language in enumerate(languages)
    ]


def bm25(words: WordCounts, terms: QuestionTerms, *, average_size: float) -> float:
    """BM25 of a text, as a share of the most that this question can give: 0 to 1."""
    weights = terms.weights.get(words.language, {})
    length = 1 - B + B * words.size / max(average_size, 1.0)
    score = sum(
        weights[lexeme] * count * (K1 + 1) / (count + K1 * length)
        for lexeme, count in words.counts.items()
    )
    return score / terms.ceiling(words.language)


def coverage(counts: Sequence[WordCounts], terms: QuestionTerms) -> float:
    """The weight of the question's words that occur in any of the texts, as a share: 0 to 1."""
    best = 0.0
    for language in {words.language for words in counts}:
        weights = terms.weights.get(language, {})
        found = {
            lexeme for words in counts if words.language == language for lexeme in words.counts
        }
        total = sum(weights.values())
        best = max(best, sum(weights[lexeme] for lexeme in found) / total if total else 0.0)
    return best


def _word_counts(
    terms: QuestionTerms, language: str, size: int, counts: Mapping[str, int] | str | None
) -> WordCounts:
    found = json.loads(counts) if isinstance(counts, str) else counts or {}
    known = terms.weights.get(language, {})
    # Lexemes of another language's stemming may be spelled the same by chance.
    mine = {lexeme: count for lexeme, count in found.items() if lexeme in known}
    return WordCounts(language=language, size=size, counts=mine)


def _lexemes(terms: QuestionTerms) -> list[str]:
    return sorted({lexeme for weights in terms.weights.values() for lexeme in weights})


def _configurations() -> dict[str, list[str]]:
    languages = list(Language.values)
    return {
        "languages": languages,
        "configurations": [search_configuration(language) for language in languages],
    }
