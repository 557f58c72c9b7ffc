"""Nearest passages and articles of one index version, published revisions only.

The version's id is passed as a literal so that PostgreSQL prunes to its partition; tenant,
audience and "is this the published revision" are joins of the same statement, so what is
unpublished or deleted is out of the very next answer. Scores are cosine similarities
(inner product of unit vectors), 1.0 at best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from pgvector import HalfVector

from embeddings.encoders.base import Vector
from embeddings.models import IndexVersion
from kb.search import SearchScope, scope_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageHit:
    """`body[start:end]` of a published revision."""

    article_id: int
    revision_id: int
    ordinal: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleHit:
    """A published revision, by its article vector."""

    article_id: int
    revision_id: int
    score: float


def search_passages(
    version: IndexVersion, query: Vector, *, scope: SearchScope, limit: int
) -> list[PassageHit]:
    """The `limit` nearest passages, best first. `query` has shape (version.dimension,)."""
    rows = _nearest(version, query, "embeddings_passagevector", scope=scope, limit=limit)
    return [
        PassageHit(
            article_id=row["article_id"],
            revision_id=row["revision_id"],
            ordinal=row["ordinal"],
            start=row["start"],
            end=row["end"],
            score=row["score"],
        )
        for row in rows
    ]


def search_articles(
    version: IndexVersion, query: Vector, *, scope: SearchScope, limit: int
) -> list[ArticleHit]:
    """The `limit` nearest articles, best first."""
    rows = _nearest(version, query, "embeddings_articlevector", scope=scope, limit=limit)
    return [
        ArticleHit(article_id=row["article_id"], revision_id=row["revision_id"], score=row["score"])
        for row in rows
    ]


COLUMNS = {
    "embeddings_passagevector": 'v.ordinal, v.start, v."end"',
    "embeddings_articlevector": "0 AS ordinal",
}


def _nearest(
    version: IndexVersion, query: Vector, table: str, *, scope: SearchScope, limit: int
) -> list[dict[str, Any]]:
    condition, parameters = scope_condition(scope)
    distance = f"(v.embedding::halfvec({int(version.dimension)})) <#> %(query)s::halfvec"
    statement = f"""
        SELECT a.id AS article_id, v.revision_id, {COLUMNS[table]}, -({distance}) AS score
        FROM {table} v
        JOIN kb_article a ON a.published_revision_id = v.revision_id
        JOIN kb_revision r ON r.id = v.revision_id
        WHERE v.index_version_id = {int(version.pk)} AND {condition}
        ORDER BY {distance}, v.revision_id
        LIMIT %(limit)s
    """  # noqa: S608 - identifiers and integers of ours; values are parameters
    parameters |= {"query": HalfVector(query).to_text(), "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
