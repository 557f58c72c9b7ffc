"""Building HNSW indexes: when due, one at a time, beside writers, and again after a crash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pgvector import HalfVector
from psycopg.errors import DiskFull
from pytest_django import Settings

from embeddings import hnsw
from embeddings.hnsw import IndexState, VectorIndex, build_missing_indexes, missing_indexes
from embeddings.routing import forget_routes
from embeddings.search import search_passages
from embeddings.tasks import build_indexes, sweep
from tests.embeddings.large import Large, large, low_limits
from tests.factories import make_article, make_workspace

__all__ = ["large", "low_limits"]


def test_built_past_the_threshold_and_only_once(large: Large, settings: Settings) -> None:
    make_article(make_workspace())
    settings.EXACT_SEARCH_VECTORS = 2_001
    assert build_missing_indexes() == []
    settings.EXACT_SEARCH_VECTORS = 2_000
    assert [index.name for index in missing_indexes()] == [large.index.name]
    assert large.index.state == IndexState.NONE
    assert build_missing_indexes() == [large.index.name]
    assert (large.index.state, large.index.progress) == (IndexState.VALID, None)
    assert large.index.bytes > 2_000 * 768
    assert missing_indexes() == []
    assert build_missing_indexes() == []
    settings.EXACT_SEARCH_VECTORS = 100
    assert build_missing_indexes() == [large.index.name.replace("passage", "article")]


def test_the_sweep_asks_for_it(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embeddings.tasks.send_nudge", lambda task, **_: task())
    monkeypatch.setattr("embeddings.tasks._sweep_version", lambda _: 0)  # no such encoder
    sweep()
    assert large.index.state == IndexState.VALID


@contextmanager
def writer(large: Large) -> Iterator[None]:
    """Somebody else's transaction that has written to the partition: a build waits for it."""
    other = connections.create_connection("default")
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {large.index.partition} IN ROW EXCLUSIVE MODE")
        yield
    finally:
        other.close()


def add_passage(large: Large, *, ordinal: int) -> list[float]:
    """One more passage of the first article; returns its vector."""
    [vector] = large.questions(1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {large.index.partition} SELECT %s, min(revision_id), %s, 0, 10, 5,"
            f" %s::halfvec FROM {large.index.partition}",
            [large.version.pk, ordinal, HalfVector(vector).to_text()],
        )
    return list(vector)


def build_in_a_thread() -> list[str]:
    """On a connection of its own."""
    try:
        return build_missing_indexes()
    finally:
        connection.close()


@contextmanager
def held_up_build(large: Large) -> Iterator[Future[list[str]]]:
    """A build that has begun, and waits for a writer until the end of the block."""
    with ThreadPoolExecutor(max_workers=1) as pool, writer(large):
        build = pool.submit(build_in_a_thread)
        wait_until(lambda: large.index.state == IndexState.BUILDING)
        yield build


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_only_one_build_at_a_time_and_its_progress_is_seen(large: Large) -> None:
    with held_up_build(large) as build:
        assert large.index.progress == 0.0
        assert "exact; HNSW being built" in str(large.index)
        assert build_missing_indexes() == build_indexes() == []
        assert not build.done()
    assert build.result() == [large.index.name]


def test_writers_do_not_wait_and_lose_nothing(large: Large) -> None:
    written: dict[int, list[float]] = {}
    with ThreadPoolExecutor(max_workers=1) as pool:
        build = pool.submit(build_in_a_thread)
        while not build.done() and len(written) < 500:
            ordinal = 100 + len(written)
            written[ordinal] = add_passage(large, ordinal=ordinal)
    assert large.index.state == IndexState.VALID
    assert len(written) > 1
    scope = large.scope(insider=True)
    for ordinal, vector in written.items():
        [best] = search_passages(large.version, vector, scope=scope, limit=1)  # type: ignore[arg-type]
        assert (best.ordinal, round(best.score, 2)) == (ordinal, 1.0)


def test_what_a_killed_build_leaves_is_built_anew(large: Large) -> None:
    with held_up_build(large) as build:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index")
        wait_until(build.done)
    assert build.result() == []
    assert str(large.index) == "exact; HNSW invalid, to be built anew"
    forget_routes()
    [question] = large.questions(1)
    assert len(search_passages(large.version, question, scope=large.scope(), limit=10)) == 10
    assert build_missing_indexes() == [large.index.name]
    assert large.index.state == IndexState.VALID


def test_failed_build_is_logged_and_locks_nobody_out(
    large: Large, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.HNSW_BUILD_MEMORY_MB = 0  # PostgreSQL refuses so little
    assert build_missing_indexes() == []
    assert "hnsw_build_failed" in caplog.text
    settings.HNSW_BUILD_MEMORY_MB = 256
    assert build_missing_indexes() == [large.index.name]
    with connection.cursor() as cursor:
        cursor.execute("SHOW maintenance_work_mem")
        assert cursor.fetchone() == ("256MB",)


def test_without_shared_memory_for_helpers_it_is_built_alone(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, tried = hnsw._create, []

    def short_of_memory(index: VectorIndex, session: dict[str, str]) -> None:
        tried.append(session)
        if not session:
            raise OperationalError("could not resize shared memory segment") from DiskFull()
        create(index, session)

    monkeypatch.setattr(hnsw, "_create", short_of_memory)
    assert build_missing_indexes() == [large.index.name]
    assert tried == [{}, {"max_parallel_maintenance_workers": "0"}]


def test_people_are_told_how_vectors_are_searched(large: Large, admin_client: Client) -> None:
    before, after = StringIO(), StringIO()
    call_command("index_status", workspace="large", json=True, stdout=before)
    [version] = json.loads(before.getvalue())
    assert [(i["of"], i["state"]) for i in version["vector_indexes"]] == [
        ("articles", "none"),
        ("passages", "none"),
    ]
    build_missing_indexes()
    call_command("index_status", workspace="large", stdout=after)
    assert "large 1, passages: HNSW, " in after.getvalue()
    page = admin_client.get(reverse("admin:embeddings_indexversion_changelist"))
    assert "passages: HNSW, " in page.content.decode()
    change = reverse("admin:embeddings_indexversion_change", args=[large.version.pk])
    assert "articles: exact; passages: HNSW, " in admin_client.get(change).content.decode()
    metrics = admin_client.get("/metrics").content.decode()
    assert 'unabridged_vector_indexes{state="valid"} 1.0' in metrics
    assert "unabridged_short_results_total" in metrics


def test_search_takes_the_index_when_routes_are_asked_anew(large: Large) -> None:
    [question] = large.questions(1)

    def statements() -> str:
        with CaptureQueriesContext(connection) as captured:
            search_passages(large.version, question, scope=large.scope(), limit=10)
        return " ".join(query["sql"] for query in captured)

    assert "hnsw.ef_search" not in statements()
    build_missing_indexes()
    assert "hnsw.ef_search" not in statements()
    forget_routes()
    assert "hnsw.ef_search" in statements()
