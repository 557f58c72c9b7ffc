"""Whether a search compares every vector in scope, or walks the HNSW graph.

The graph knows nothing of filters: it is walked outwards until enough of what it passes is in
scope, so a narrow scope costs much and finds little of what is there. Comparing one by one
costs as much as the scope is large, and finds everything. Figures behind the constants:
docs/decisions/011-approximate-search.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar, cast

from django.conf import settings
from django.db import connection

from embeddings.hnsw import IndexState, VectorIndex, vector_indexes
from embeddings.models import IndexVersion
from embeddings.partitions import ARTICLES, partition_name
from kb.search import NO_FILTERS, SearchScope, scope_condition

REMEMBER_SECONDS = 60.0
REMEMBERED = 1_000
STEP_COST = 20  # a vector passed in the graph takes the time of so many compared one by one
PASSAGES_GUESSED = 10  # of an article, before PostgreSQL has looked
SAMPLED_ARTICLES = 1_000
MIN_CANDIDATES, MAX_CANDIDATES = 200, 1_000  # the upper one is pgvector's

T = TypeVar("T")
_remembered: dict[Hashable, tuple[float, Any]] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`graph`: walk it, keeping `candidates` (hnsw.ef_search); else compare one by one.
    `indexed` tells a large partition from one without an index."""

    indexed: bool
    graph: bool = False
    candidates: int = MIN_CANDIDATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Published articles in a scope, counted up to a limit, and their share of a version's
    (0 to 1, of a sample)."""

    articles: int
    share: float


def choose_route(version: IndexVersion, parent: str, *, scope: SearchScope, limit: int) -> Route:
    """The way that finds the `limit` nearest in less time, and does not miss any to speak of.

    What it asks the database for is remembered for a minute: an answer that is out of date
    makes a search slower, never wrong.
    """
    indexes = _remember(("indexes", version.pk), lambda: vector_indexes([version])[version.pk])
    index = indexes.get(parent)
    if index is None or index.state != IndexState.VALID:
        return Route(indexed=False)
    if scope.include_internal and scope.filters == NO_FILTERS:
        return Route(indexed=True, graph=True, candidates=candidates(limit, share=1.0))
    most = max(1, exact_up_to(index.vectors, limit=limit) // _per_article(indexes, parent))
    articles = indexes[ARTICLES].vectors
    reach = _remember(
        (version.pk, scope, most), lambda: _reach(version, scope, most=most, articles=articles)
    )
    if reach.articles <= most:
        return Route(indexed=True)
    return Route(indexed=True, graph=True, candidates=candidates(limit, share=reach.share))


def forget_routes() -> None:
    """Ask anew at the next search."""
    with _lock:
        _remembered.clear()


def exact_up_to(vectors: int, *, limit: int) -> int:
    """Vectors in scope at which both ways take the same time, but never below the setting.

    Of N vectors with n in scope the graph passes limit * N / n on its way, which takes as
    long as comparing STEP_COST times as many one by one.
    """
    return max(settings.EXACT_SEARCH_VECTORS, math.isqrt(STEP_COST * limit * vectors))


def candidates(limit: int, *, share: float) -> int:
    """Enough for twice the limit, and for forty in scope, which keeps the best ten complete."""
    wanted = max(2 * limit, int(40 / max(share, 0.001)))
    return min(max(wanted, MIN_CANDIDATES), MAX_CANDIDATES)


def _per_article(indexes: dict[str, VectorIndex], parent: str) -> int:
    articles, vectors = indexes[ARTICLES].vectors, indexes[parent].vectors
    return max(1, vectors // articles) if articles else PASSAGES_GUESSED


REACH = """
    SELECT (SELECT count(*) FROM (
               SELECT FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
               WHERE {condition} LIMIT %(most)s + 1) counted),
           (SELECT avg(CASE WHEN EXISTS (
                   SELECT FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
                   WHERE a.published_revision_id = v.revision_id AND {condition}
               ) THEN 1.0 ELSE 0.0 END)
            FROM {partition} v TABLESAMPLE SYSTEM (%(percent)s))
"""


def _reach(version: IndexVersion, scope: SearchScope, *, most: int, articles: int) -> Reach:
    condition, parameters = scope_condition(scope)
    sql = REACH.format(condition=condition, partition=partition_name(ARTICLES, version.pk))
    parameters["most"] = most
    parameters["percent"] = min(100.0, 100.0 * SAMPLED_ARTICLES / articles) if articles else 1.0
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        counted, share = cursor.fetchone()
    return Reach(articles=counted, share=float(share or 0.0))


def _remember(key: Hashable, ask: Callable[[], T]) -> T:
    now = time.monotonic()
    with _lock:
        until, known = _remembered.get(key, (now, None))
    if until > now:
        return cast("T", known)
    answer = ask()
    with _lock:
        if len(_remembered) >= REMEMBERED:
            _remembered.clear()
        _remembered[key] = (now + REMEMBER_SECONDS, answer)
    return answer
