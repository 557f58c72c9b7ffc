"""The lexical side of passages: BM25 as an inner product, one statement for any question.

A passage is kept as a sparse vector: for each of its words and phrases, title included, what
its occurrences are worth (`kb.bm25.saturation`); a question is one of weights. Their inner
product is its BM25. The whole article is kept in the same way, with its words only, as
passage -1. Dimensions are hashes of a language with a word or a pair of words: no
vocabulary to keep, and two words on one number are rarer than one question in a million.
Lengths of passages are relative to a fixed one, since they are cut to a size; those of
articles to the average of their language when they were stored.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from django.db import connection, transaction

from embeddings.models import IndexVersion
from embeddings.partitions import WORDS
from embeddings.search import PassageHit
from kb.bm25 import saturation
from kb.search import SearchScope, TextHit, scope_condition, search_text
from kb.terms import QuestionTerms, average_sizes
from kb.words import Words, words_of

DIMENSIONS = 1_000_000_000  # pgvector's most
USUAL_LENGTH = 110  # words of a passage and its title, stop words left out
# Beyond so many articles that hold them, words are counted but find nothing by themselves; of
# a question without a rarer one so many passages are compared, whichever come first.
MOST_COMPARED = 5_000
MOST_KEPT = 16_000
LEAST_WEIGHT = 1e-30  # single precision holds nothing much smaller
WHOLE = -1
FILL_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WordQuery:
    """A question as numbers: the weight of each dimension, and the words that find passages,
    of which no more than `compared` are looked at (None: all)."""

    weights: Mapping[int, float]
    terms: tuple[int, ...]
    compared: int | None = None


def word_query(terms: QuestionTerms, *, phrase_weight: float) -> WordQuery:
    """Rare words find; all words and phrases are counted. Empty for a question without any.

    Of more than 16,000 (a long conversation, in many languages) the weightiest are counted.
    """
    weights: dict[int, float] = {}
    for language, known in terms.languages.items():
        for word, weight in known.weights.items():
            weights[number(language, word)] = weight
        for phrase, weight in known.phrases.items():
            weights[number(language, *phrase)] = phrase_weight * weight
    finding = [
        number(language, word)
        for language, words in terms.rarest(MOST_COMPARED).items()
        for word in words
    ]
    weightiest = sorted(weights.items(), key=lambda item: -item[1])[:MOST_KEPT]
    return WordQuery(
        weights=dict(weightiest), terms=tuple(finding), compared=terms.bound(MOST_COMPARED)
    )


def search_words(
    version: IndexVersion, query: WordQuery, *, scope: SearchScope, limit: int
) -> list[PassageHit]:
    """The `limit` passages that fit best by their words, best first. One query."""
    return [
        PassageHit(
            article_id=article,
            revision_id=revision,
            ordinal=ordinal,
            start=start,
            end=end,
            score=score,
        )
        for article, revision, ordinal, start, end, score in _ask(
            SEARCH, version, query, scope=scope, limit=limit
        )
    ]


SEARCH = """
    WITH compared AS (
        SELECT a.id AS article_id, w.revision_id, w.ordinal, w.words
        FROM embeddings_passagewords w
        JOIN kb_article a ON a.published_revision_id = w.revision_id
        JOIN kb_revision r ON r.id = w.revision_id
        WHERE w.index_version_id = {version} AND w.ordinal >= 0
          AND w.terms && %(terms)s::int[] AND {condition}
        LIMIT %(compared)s
    ),
    best AS MATERIALIZED (
        SELECT article_id, revision_id, ordinal, -(words <#> %(words)s::sparsevec) AS score
        FROM compared
        ORDER BY score DESC, revision_id, ordinal
        LIMIT %(limit)s
    )
    SELECT b.article_id, b.revision_id, b.ordinal, v.start, v."end", b.score
    FROM best b JOIN embeddings_passagevector v
        ON v.index_version_id = {version} AND v.revision_id = b.revision_id
        AND v.ordinal = b.ordinal
    ORDER BY b.score DESC, b.revision_id, b.ordinal
"""


def search_article_words(
    version: IndexVersion,
    terms: QuestionTerms,
    query: WordQuery,
    *,
    scope: SearchScope,
    limit: int,
) -> list[TextHit]:
    """The `limit` articles that fit best by their words, best first. Two queries.

    Those that are not in the index yet are compared by the knowledge base's own full text.
    """
    found = _ask(SEARCH_ARTICLES, version, query, scope=scope, limit=limit)
    hits = [
        TextHit(article_id=article, revision_id=revision, score=score)
        for article, revision, score in found
    ]
    absent = NOT_INDEXED.format(version=int(version.pk))
    hits += search_text(terms, scope=scope, limit=limit, where=absent)
    return sorted(hits, key=lambda hit: (-hit.score, hit.article_id))[:limit]


SEARCH_ARTICLES = """
    WITH compared AS (
        SELECT a.id, w.revision_id, w.words
        FROM embeddings_passagewords w
        JOIN kb_article a ON a.published_revision_id = w.revision_id
        JOIN kb_revision r ON r.id = w.revision_id
        WHERE w.index_version_id = {version} AND w.ordinal = -1
          AND w.terms && %(terms)s::int[] AND {condition}
        LIMIT %(compared)s
    )
    SELECT id, revision_id, -(words <#> %(words)s::sparsevec) AS score
    FROM compared
    ORDER BY score DESC, id
    LIMIT %(limit)s
"""
NOT_INDEXED = """
    NOT EXISTS (SELECT FROM embeddings_passagewords w
                WHERE w.index_version_id = {version} AND w.revision_id = r.id AND w.ordinal = -1)
"""


def _ask(
    statement: str, version: IndexVersion, query: WordQuery, *, scope: SearchScope, limit: int
) -> list[tuple[Any, ...]]:
    """Nothing is asked by a question without a word that any article has."""
    if not query.terms:
        return []
    condition, parameters = scope_condition(scope)
    parameters |= {
        "terms": list(query.terms),
        "words": as_text(query.weights),
        "compared": query.compared,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement.format(condition=condition, version=int(version.pk)), parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


@lru_cache(maxsize=200_000)
def number(language: str, *words: str) -> int:
    """The dimension of a word, or of a phrase of two, counted from 1."""
    digest = hashlib.blake2b("\0".join((language, *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) % DIMENSIONS + 1


def as_text(weights: Mapping[int, float]) -> str:
    """What pgvector reads as a sparse vector; weights next to nothing are left out."""
    inside = ",".join(
        [f"{at}:{weight:.5g}" for at, weight in weights.items() if abs(weight) > LEAST_WEIGHT]
    )
    return f"{{{inside}}}/{DIMENSIONS}"


def store_words(version: IndexVersion, revisions: Sequence[int]) -> None:
    """Count the words of these revisions and of their stored passages; within the caller's
    transaction. At most four statements."""
    with connection.cursor() as cursor:
        cursor.execute(PASSAGES_OF.format(version=int(version.pk)), {"revisions": list(revisions)})
        rows = cursor.fetchall()
    averages = average_sizes(version.workspace_id)
    texts = [f"{title}\n{text}" for _, _, title, text, _ in rows]
    counted = words_of(texts, [language for *_, language in rows])
    with (
        connection.cursor() as cursor,
        cursor.copy(
            f"COPY {WORDS} (index_version_id, revision_id, ordinal, terms, words) FROM STDIN"
        ) as copy,
    ):
        for (revision, ordinal, *_), words in zip(rows, counted, strict=True):
            terms = {number(words.language, word) for word in words.places}
            weights = (
                article_weights(words, average_size=averages.get(words.language, 0.0))
                if ordinal == WHOLE
                else passage_weights(words)
            )
            listed = f"{{{','.join(map(str, terms))}}}"
            copy.write_row((version.pk, revision, ordinal, listed, as_text(weights)))


PASSAGES_OF = """
    SELECT v.revision_id, v.ordinal, r.title,
           substring(r.body FROM v.start + 1 FOR v."end" - v.start), r.language
    FROM embeddings_passagevector v
    JOIN (SELECT id, title, body || '' AS body, language FROM kb_revision
          WHERE id = ANY(%(revisions)s) OFFSET 0) r ON r.id = v.revision_id
    WHERE v.index_version_id = {version} AND v.revision_id = ANY(%(revisions)s)
    UNION ALL
    SELECT id, -1, title, body, language FROM kb_revision WHERE id = ANY(%(revisions)s)
    ORDER BY 1, 2
"""


def fill_missing_words(version: IndexVersion, *, seconds: float | None = None) -> int:
    """Count words of passages that were stored before words were; returns how many articles.

    Stops after the batch in which `seconds` ran out (None: when none is missing). Safe to be
    killed, and to run twice at once.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    filled = 0
    while True:
        with transaction.atomic():
            locked = _without_words(version, LOCK_SOME)
            if not locked:
                return filled
            # Another may have filled them while this one was about to lock them.
            revisions = _without_words(version, STILL, locked=locked)
            store_words(version, revisions)
        filled += len(revisions)
        if deadline is not None and time.monotonic() >= deadline:
            return filled


def _without_words(version: IndexVersion, which: str, locked: Sequence[int] = ()) -> list[int]:
    parameters: dict[str, Any] = {
        "version": version.pk,
        "state": "embedded",
        "limit": FILL_BATCH,
        "locked": list(locked),
    }
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT_WORDS + which, parameters)
        return [revision for (revision,) in cursor.fetchall()]


WITHOUT_WORDS = """
    SELECT e.revision_id FROM embeddings_indexentry e
    WHERE e.index_version_id = %(version)s AND e.state = %(state)s
      AND NOT EXISTS (SELECT FROM embeddings_passagewords w
                      WHERE w.index_version_id = e.index_version_id
                        AND w.revision_id = e.revision_id AND w.ordinal = -1)
"""
# The lock is the one that storing vectors takes.
LOCK_SOME = "ORDER BY e.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED"
STILL = "AND e.revision_id = ANY(%(locked)s)"


def passage_weights(words: Words) -> dict[int, float]:
    """By dimension, what the occurrences of each word and phrase are worth.

    pgvector keeps 16,000 numbers; a passage with more (a window of a whole book) keeps its
    words before its phrases.
    """
    length = words.length / USUAL_LENGTH
    weights = {
        number(words.language, word): saturation(count, length)
        for word, count in words.counts().items()
    }
    for phrase, count in words.phrases().items():
        weights.setdefault(number(words.language, *phrase), saturation(count))
    return dict(islice(weights.items(), MOST_KEPT))


def article_weights(words: Words, *, average_size: float) -> dict[int, float]:
    """By dimension, what the occurrences of each word are worth in a whole article.

    Sizes are numbers of different words. Of more than 16,000 the most frequent are kept.
    """
    relative = len(words.places) / average_size if average_size else 1.0
    often = sorted(words.counts().items(), key=lambda item: -item[1])[:MOST_KEPT]
    return {number(words.language, word): saturation(count, relative) for word, count in often}
