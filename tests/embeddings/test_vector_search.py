"""Nearest passages: complete, in scope, and by the index only where that is quicker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from pytest_django import DjangoDbBlocker

from embeddings import search
from embeddings.encoders.base import Vector
from embeddings.hnsw import build_missing_indexes
from embeddings.search import (
    SHORT_RESULTS,
    compare_every_passage,
    search_articles,
    search_passages,
)
from kb.models import Article, ArticleState
from kb.search import SearchScope
from tests.embeddings.large import PASSAGES_LOADED, Large, loaded, low_limits, plan_of
from tests.factories import live, make_workspace

__all__ = ["low_limits"]


pytestmark = pytest.mark.usefixtures("db", "low_limits")


@pytest.fixture(scope="module")
def indexed(
    django_db_setup: None,  # noqa: ARG001 - first
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Large]:
    """With its HNSW index, for all tests of this module: each undoes what it changes."""
    with django_db_blocker.unblock(), loaded() as large:
        with override_settings(EXACT_SEARCH_VECTORS=500):
            assert build_missing_indexes() == [large.index.name]
        yield large


def everything(large: Large, question: Vector, scope: SearchScope) -> list[tuple[int, int]]:
    """All passages in scope by their distance."""
    hits = compare_every_passage(large.version, question, scope=scope, limit=10**6)
    return [(hit.revision_id, hit.ordinal) for hit in hits]


def found(large: Large, question: Vector, scope: SearchScope, limit: int) -> list[tuple[int, int]]:
    hits = search_passages(large.version, question, scope=scope, limit=limit)
    return [(hit.revision_id, hit.ordinal) for hit in hits]


def plan(large: Large, scope: SearchScope, *, limit: int = 10) -> str:
    """Of the statement that a search sends."""
    [question] = large.questions(1)
    search_passages(large.version, question, scope=scope, limit=limit)  # routes are known now
    with CaptureQueriesContext(connection) as captured:
        search_passages(large.version, question, scope=scope, limit=limit)
    [statement] = [query["sql"] for query in captured if "score" in query["sql"]]
    if len(captured) == 1:
        return plan_of(statement)
    with search._large_table_settings(candidates=200):
        return plan_of(statement)


@pytest.mark.parametrize("insider", [True, False])
@pytest.mark.parametrize("limit", [10, 100])
def test_wide_scopes_walk_the_index(indexed: Large, insider: bool, limit: int) -> None:
    steps = plan(indexed, indexed.scope(insider=insider), limit=limit)
    assert f"Index Scan using {indexed.index.name}" in steps


def test_narrow_scopes_are_compared_one_by_one(indexed: Large) -> None:
    steps = plan(indexed, indexed.scope(tags=("10%",)))
    assert "hnsw" not in steps
    assert "Seq Scan on embeddings_passagevector" not in steps


@pytest.mark.parametrize("limit", [10, 100])
@pytest.mark.parametrize("tags", [(), ("10%",), ("1%",)])
def test_recall_of_the_best_ten(indexed: Large, tags: tuple[str, ...], limit: int) -> None:
    scope = indexed.scope(tags=tags)
    questions = indexed.questions(25)
    kept = [
        len(
            {*everything(indexed, question, scope)[:10]}
            & {*found(indexed, question, scope, limit)[:10]}
        )
        for question in questions
    ]
    assert np.mean(kept) >= 9.8


@pytest.mark.parametrize("filters", [{"tags": ("1%",)}, {"tags": ("10%",)}, {"audience": "public"}])
def test_filters_never_lose_results(indexed: Large, filters: dict[str, Any]) -> None:
    [question] = indexed.questions(1)
    scope = indexed.scope(insider=True, **filters)
    there = everything(indexed, question, scope)
    for limit in (1, 10, len(there), len(there) + 50):
        assert len(found(indexed, question, scope, limit)) == min(limit, len(there))
    assert {*found(indexed, question, scope, PASSAGES_LOADED)} == {*there}


def test_comparing_every_passage_gives_the_cosines(indexed: Large) -> None:
    [question] = indexed.questions(1)
    scope = indexed.scope(insider=True)
    hits = compare_every_passage(indexed.version, question, scope=scope, limit=PASSAGES_LOADED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT revision_id, ordinal, embedding::real[] FROM {indexed.index.partition}"
        )
        vectors = {(revision, ordinal): vector for revision, ordinal, vector in cursor.fetchall()}
    assert len(hits) == len(vectors) == PASSAGES_LOADED
    for hit in hits:
        cosine = np.dot(vectors[hit.revision_id, hit.ordinal], question)
        assert hit.score == pytest.approx(cosine, abs=0.002)


def test_order_is_by_score(indexed: Large) -> None:
    [question] = indexed.questions(1)
    hits = search_passages(indexed.version, question, scope=indexed.scope(), limit=100)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert len({(hit.revision_id, hit.ordinal) for hit in hits}) == 100
    assert 0.5 < scores[0] <= 1.0


def test_internal_articles_only_for_who_may_see_them(indexed: Large) -> None:
    internal = {
        revision
        for (revision,) in Article.objects.filter(
            workspace_id=indexed.version.workspace_id, published_revision__audience="internal"
        ).values_list("published_revision_id")
    }
    assert len(internal) == 10
    questions = indexed.questions(5)
    for question in questions:
        seen = {revision for revision, _ in found(indexed, question, indexed.scope(), 1_000)}
        assert not seen & internal
        everyone = indexed.scope(insider=True)
        assert internal <= {revision for revision, _ in found(indexed, question, everyone, 2_000)}


def test_no_tenant_finds_what_is_anothers(indexed: Large) -> None:
    neighbour = make_workspace()
    [question] = indexed.questions(1)
    scope = SearchScope(workspace_id=neighbour.pk, include_internal=True)
    assert found(indexed, question, scope, 100) == []
    assert not live(neighbour).entries.exists()


def test_what_is_unpublished_is_out_at_once(indexed: Large) -> None:
    [question] = indexed.questions(1)
    scope = indexed.scope()
    before = found(indexed, question, scope, 10)
    Article.objects.filter(published_revision_id=before[0][0]).update(
        published_revision=None, state=ArticleState.DRAFT
    )
    after = found(indexed, question, scope, 10)
    assert before[0] not in after
    assert len(after) == 10


def test_short_walk_is_counted_and_answered_exactly(
    indexed: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = indexed.scope()
    [question] = indexed.questions(1)
    found(indexed, question, scope, 300)
    monkeypatch.setattr(search, "LARGE_TABLE", search.LARGE_TABLE.replace("strict_order", "off"))
    there = everything(indexed, question, scope)
    counted = SHORT_RESULTS._value.get()
    assert found(indexed, question, scope, 1_000) == there[:1_000]
    assert SHORT_RESULTS._value.get() == counted + 1


def test_settings_end_with_the_search(indexed: Large) -> None:
    [question] = indexed.questions(1)
    found(indexed, question, indexed.scope(), 10)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('enable_sort'), current_setting('hnsw.ef_search'),"
            " current_setting('hnsw.iterative_scan')"
        )
        assert cursor.fetchone() == ("on", "40", "off")


def test_large_searches_cost_two_statements_once_routes_are_known(indexed: Large) -> None:
    [question] = indexed.questions(1)
    found(indexed, question, indexed.scope(), 10)
    with CaptureQueriesContext(connection) as captured:
        found(indexed, question, indexed.scope(), 10)
    sent = [query["sql"].split()[0] for query in captured][:3]
    assert sent == ["SAVEPOINT", "SELECT", "WITH"]


def test_articles_have_no_index_while_they_are_few(indexed: Large) -> None:
    [question] = indexed.questions(1)
    hits = search_articles(indexed.version, question, scope=indexed.scope(), limit=200)
    assert len(hits) == 190
