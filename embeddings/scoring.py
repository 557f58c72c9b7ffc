"""Exact scores of every passage of a few articles: what the legs' finds are judged by.

A leg sees what it found only; whether the passage with the right words also means the right
thing, and how good an article's second passage is, is asked of the rows themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection
from pgvector import HalfVector

from embeddings.encoders.base import Vector
from embeddings.models import IndexVersion
from embeddings.words import WordQuery, as_text
from kb.search import SearchScope, scope_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPassage:
    """`body[start:end]` of a published revision: its cosine similarity, and BM25 of its words
    as a share of the most (0 to about 1; None: its words are not stored yet)."""

    article_id: int
    revision_id: int
    language: str
    ordinal: int
    start: int
    end: int
    similarity: float
    words: float | None


STATEMENT = """
    SELECT a.id, v.revision_id, r.language, v.ordinal, v.start, v."end",
           -(v.embedding <#> %(query)s::halfvec), -(w.words <#> %(words)s::sparsevec)
    FROM embeddings_passagevector v
    JOIN kb_article a ON a.published_revision_id = v.revision_id
    JOIN kb_revision r ON r.id = v.revision_id
    LEFT JOIN embeddings_passagewords w
        ON w.index_version_id = {version} AND w.revision_id = v.revision_id
        AND w.ordinal = v.ordinal
    WHERE v.index_version_id = {version} AND v.revision_id = ANY(%(revisions)s) AND {condition}
    ORDER BY v.revision_id, v.ordinal
"""


def score_passages(
    version: IndexVersion,
    query: Vector,
    words: WordQuery,
    *,
    revisions: Collection[int],
    scope: SearchScope,
) -> list[ScoredPassage]:
    """All passages of these revisions that are still published in scope. One query."""
    condition, parameters = scope_condition(scope)
    parameters |= {
        "query": HalfVector(query).to_text(),
        "words": as_text(words.weights),
        "revisions": list(revisions),
    }
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT.format(condition=condition, version=int(version.pk)), parameters)
        return [
            ScoredPassage(
                article_id=article,
                revision_id=revision,
                language=language,
                ordinal=ordinal,
                start=start,
                end=end,
                similarity=similarity,
                words=said,
            )
            for article, revision, language, ordinal, start, end, similarity, said in (
                cursor.fetchall()
            )
        ]
