"""Nearest passages and articles of one index version, published revisions only.

Small scopes are compared one by one, large ones by HNSW (`embeddings.routing`). The version's
id is passed as a literal so that PostgreSQL prunes to its partition; tenant, audience and
"is this the published revision" are joins of the same statement, so what is unpublished or
deleted is out of the very next answer. Scores are cosine similarities (inner product of unit
vectors), 1.0 at best.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from pgvector import HalfVector
from prometheus_client import Counter

from embeddings.encoders.base import Vector
from embeddings.models import IndexVersion
from embeddings.partitions import ARTICLES, PASSAGES
from embeddings.routing import MIN_CANDIDATES, choose_route
from kb.search import SearchScope, scope_condition

SHORT_RESULTS = Counter(
    "unabridged_short_results",
    "Approximate searches that found less than there was; each was answered by an exact one.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageHit:
    """`body[start:end]` of a published revision; `score` is the leg's own: cosine similarity, or
    BM25 of its words as a share of the most (0 to about 1)."""

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
    return _passage_hits(_nearest(version, query, PASSAGES, scope=scope, limit=limit))


def compare_every_passage(
    version: IndexVersion, query: Vector, *, scope: SearchScope, limit: int
) -> list[PassageHit]:
    """What `search_passages` would find without any index: the truth, however long it takes."""
    return _passage_hits(_ask(EXACT, version, query, PASSAGES, scope=scope, limit=limit))


def walk_graph(
    version: IndexVersion, query: Vector, *, scope: SearchScope, limit: int
) -> list[PassageHit]:
    """What the HNSW index finds by itself: for judging it, not for answers."""
    with _large_table_settings(candidates=MIN_CANDIDATES):
        return _passage_hits(_ask(GRAPH, version, query, PASSAGES, scope=scope, limit=limit))


def search_articles(
    version: IndexVersion, query: Vector, *, scope: SearchScope, limit: int
) -> list[ArticleHit]:
    """The `limit` nearest articles, best first."""
    rows = _nearest(version, query, ARTICLES, scope=scope, limit=limit)
    return [
        ArticleHit(article_id=row["article_id"], revision_id=row["revision_id"], score=row["score"])
        for row in rows
    ]


def _passage_hits(rows: list[dict[str, Any]]) -> list[PassageHit]:
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


COLUMNS = {
    PASSAGES: 'v.ordinal, v.start, v."end"',
    ARTICLES: "0 AS ordinal",
}

# Driven from the articles in scope, so that the index on revisions reaches their vectors.
EXACT = """
    WITH scope AS MATERIALIZED (
        SELECT a.id, a.published_revision_id
        FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
        WHERE {condition}
    )
    SELECT a.id AS article_id, v.revision_id, {columns},
           -(v.embedding <#> %(query)s::halfvec) AS score
    FROM scope a JOIN {table} v ON v.revision_id = a.published_revision_id
    WHERE v.index_version_id = {version}
    ORDER BY score DESC, v.revision_id, ordinal
    LIMIT %(limit)s
"""

# The cast is that of the index; equal distances are put in order outside, where it is no hurdle.
GRAPH = """
    WITH nearest AS MATERIALIZED (
        SELECT a.id AS article_id, v.revision_id, {columns}, -({distance}) AS score
        FROM {table} v
        JOIN kb_article a ON a.published_revision_id = v.revision_id
        JOIN kb_revision r ON r.id = v.revision_id
        WHERE v.index_version_id = {version} AND {condition}
        ORDER BY {distance}
        LIMIT %(limit)s
    )
    SELECT * FROM nearest ORDER BY score DESC, revision_id, ordinal
"""

# For one search: go on until the limit is reached, in order; no plan but along the graph (a
# sort of the whole table may look cheaper); no compiling, which takes longer than the search;
# and lookups priced as what they are where the tables are in memory or on an SSD.
LARGE_TABLE = """
    SELECT set_config('hnsw.iterative_scan', 'strict_order', true),
           set_config('hnsw.ef_search', %(candidates)s, true),
           set_config('hnsw.max_scan_tuples', '100000', true),
           set_config('hnsw.scan_mem_multiplier', '16', true),
           set_config('enable_sort', 'off', true),
           set_config('jit', 'off', true),
           set_config('random_page_cost', '1.1', true)
"""


def _nearest(
    version: IndexVersion, query: Vector, table: str, *, scope: SearchScope, limit: int
) -> list[dict[str, Any]]:
    """A walk that ended early (pgvector gives up at some length) is never the answer."""
    route = choose_route(version, table, scope=scope, limit=limit)
    if not route.indexed:
        return _ask(EXACT, version, query, table, scope=scope, limit=limit)
    with _large_table_settings(candidates=route.candidates):
        found: list[dict[str, Any]] = []
        if route.graph:
            found = _ask(GRAPH, version, query, table, scope=scope, limit=limit)
        if len(found) >= limit:
            return found
        exact = _ask(EXACT, version, query, table, scope=scope, limit=limit)
    if route.graph and len(exact) > len(found):
        SHORT_RESULTS.inc()
    return exact


@contextmanager
def _large_table_settings(*, candidates: int) -> Iterator[None]:
    """A transaction that is rolled back, which takes its settings with it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LARGE_TABLE, {"candidates": str(candidates)})
        yield
        transaction.set_rollback(True)


def _ask(
    statement: str,
    version: IndexVersion,
    query: Vector,
    table: str,
    *,
    scope: SearchScope,
    limit: int,
) -> list[dict[str, Any]]:
    condition, parameters = scope_condition(scope)
    sql = statement.format(
        table=table,
        columns=COLUMNS[table],
        condition=condition,
        version=int(version.pk),
        distance=f"(v.embedding::halfvec({int(version.dimension)})) <#> %(query)s::halfvec",
    )
    parameters |= {"query": HalfVector(query).to_text(), "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
