"""When a build is done: all is in, what is large has its index, and the index finds enough."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.db import connection
from numpy.typing import NDArray
from pytest_django import Settings

from embeddings.filling.loop import embed_pending
from embeddings.filling.recall import probe_recall
from embeddings.filling.settling import settle
from embeddings.hnsw import IndexState, build_missing_indexes, index_name, vector_indexes
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.partitions import ARTICLES, PASSAGES, drop_orphans, partition_name
from embeddings.services.entries import ensure_entries
from embeddings.services.running import retry_version
from embeddings.tasks import build_indexes, embed_version
from kb.models import ArticleState, Workspace
from tests.embeddings.large import low_limits
from tests.embeddings.test_running import BusyEncoder, busy
from tests.embeddings.versions import (
    ANNA,
    fresh,
    in_a_session,
    last_event,
    moves_of,
    put_in,
    start,
)
from tests.factories import add_revision, live, make_article, make_workspace

__all__ = ["busy", "low_limits"]
committed = pytest.mark.django_db(transaction=True)


def test_ready_only_when_everything_is_in(workspace: Workspace) -> None:
    for _ in range(40):  # more than one claim
        make_article(workspace)
    version = start(workspace)
    assert not settle(version)
    embed_pending(version, seconds=0)
    assert IndexEntry.objects.filter(index_version=version).unfinished().count() == 8
    assert not settle(version)
    embed_pending(version)
    assert settle(version)
    assert fresh(version).state == VersionState.READY
    event = last_event(version)
    assert (event.move, event.actor) == ("finish", "worker")
    assert event.details == {"embedded": 40, "parked": 0, "recall": None}
    assert not settle(version)
    assert moves_of(version) == ["start", "finish"]


def test_the_worker_that_ends_the_work_makes_it_ready(workspace: Workspace) -> None:
    make_article(workspace)
    version = start(workspace)
    assert embed_version(version.pk) == 1
    assert fresh(version).state == VersionState.READY


def test_what_was_missed_is_found_before(workspace: Workspace) -> None:
    make_article(workspace)
    version = start(workspace)
    embed_pending(version)
    make_article(workspace)  # nobody told the workers
    assert not settle(version)
    embed_pending(version)
    assert settle(version)


def test_what_is_gone_is_not_waited_for(workspace: Workspace) -> None:
    make_article(workspace)
    version, gone = start(workspace), make_article(workspace)
    ensure_entries(version, bulk=True)
    IndexEntry.objects.exclude(revision=gone.published_revision).update(state=EntryState.EMBEDDED)
    gone.published_revision, gone.state = None, ArticleState.DRAFT
    gone.save()
    assert settle(version)


def test_edits_do_not_hold_it_up(workspace: Workspace) -> None:
    article = make_article(workspace)
    version = start(workspace)
    embed_pending(version)
    add_revision(article, body="Edited a moment ago.")
    ensure_entries(version, bulk=False)
    assert IndexEntry.objects.filter(index_version=version).waiting().current().exists()
    assert settle(version)


def test_an_empty_workspace_is_ready_at_once(workspace: Workspace) -> None:
    assert settle(start(workspace))


def test_some_parked_are_told_and_do_not_stop_it(workspace: Workspace, busy: BusyEncoder) -> None:
    make_article(workspace, body="unreadable")
    make_article(workspace)
    version = start(workspace, "busy")
    embed_pending(version)
    assert settle(version)
    assert last_event(version).details == {"embedded": 1, "parked": 1, "recall": None}
    assert busy.calls[0] == 2


def test_all_parked_fails_with_the_reason(workspace: Workspace, busy: BusyEncoder) -> None:  # noqa: ARG001 - configured
    for _ in range(2):
        make_article(workspace, body="unreadable")
    version = start(workspace, "busy")
    embed_pending(version)
    assert not settle(version)
    failed = fresh(version)
    assert (failed.state, last_event(version).move) == (VersionState.FAILED, "fail")
    assert failed.problem == (
        "No article could be embedded; the first: TextNotEmbeddable: No text in here."
    )


@pytest.mark.parametrize("state", [state for state in VersionState if state != "building"])
def test_only_what_is_building_is_settled(workspace: Workspace, state: VersionState) -> None:
    version = start(workspace)
    put_in(live(workspace), VersionState.STANDBY)
    put_in(version, state)
    assert not settle(version)
    assert fresh(version).state == state


@committed
def test_workers_that_end_at_the_same_time_make_it_ready_once() -> None:
    workspace = make_workspace()
    make_article(workspace)
    version = start(workspace)
    embed_pending(version)
    with ThreadPoolExecutor(4) as pool:
        settled = [pool.submit(in_a_session, lambda: settle(version)) for _ in range(4)]
        assert sum(each.result() for each in settled) == 1
    assert moves_of(version) == ["start", "finish"]


def test_a_pause_while_recall_is_measured_is_kept(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = start(workspace)

    def slow(_: IndexVersion) -> None:
        put_in(version, VersionState.PAUSED)

    monkeypatch.setattr("embeddings.filling.settling.probe_recall", slow)
    assert not settle(version)
    assert fresh(version).state == VersionState.PAUSED


@pytest.fixture
def large(transactional_db: None, low_limits: None) -> IndexVersion:  # noqa: ARG001 - first
    """Building, all embedded, and too large for an exact scan: 600 articles of 2 passages."""
    workspace = make_workspace()
    random = np.random.default_rng(5)
    for number in range(600):
        make_article(workspace, title=f"Number {number}", body=words(random, count=80))
    version = start(workspace)
    embed_pending(version)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {partition_name(PASSAGES, version.pk)}")
    return version


def words(random: np.random.Generator, *, count: int) -> str:
    """Of a few topics, so that passages have neighbours."""
    topic = int(random.integers(20))
    numbers: NDArray[np.int64] = random.integers(0, 40, size=count)
    return " ".join(f"t{topic}w{number}" for number in numbers)


def index_state(version: IndexVersion, parent: str = PASSAGES) -> IndexState:
    return vector_indexes([version])[version.pk][parent].state


def test_large_version_waits_for_its_index_which_is_built_and_probed(
    large: IndexVersion,
) -> None:
    assert not settle(large)
    assert fresh(large).state == VersionState.BUILDING
    assert len(build_indexes()) == 2
    assert index_state(large) == index_state(large, ARTICLES) == IndexState.VALID
    settled = fresh(large)
    assert settled.state == VersionState.READY
    assert settled.recall is not None
    assert settled.recall >= 0.95
    assert last_event(large).details == {
        "embedded": 600, "parked": 0, "recall": settled.recall,
    }  # fmt: skip
    clean_up(large)


def test_index_that_finds_too_little_fails_the_build_until_it_is_mended(
    large: IndexVersion, settings: Settings
) -> None:
    build_missing_indexes()
    damage(large)
    assert not settle(large)
    failed = fresh(large)
    assert failed.state == VersionState.FAILED
    name = index_name(PASSAGES, large.pk)
    assert re.match(rf"The HNSW index {name} finds [\d.]+% of the ten nearest", failed.problem)
    assert "at least 95% are asked for (HNSW_MIN_RECALL)" in failed.problem
    assert failed.recall is not None
    assert failed.recall < 0.95
    settings.HNSW_MIN_RECALL = 0.0
    retry_version(large, actor=ANNA)
    embed_version(large.pk)
    assert fresh(large).state == VersionState.READY
    clean_up(large)


def damage(version: IndexVersion) -> None:
    """A graph of so few links that walks end far from what is near."""
    name = index_name(PASSAGES, version.pk)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")
        cursor.execute(
            f"CREATE INDEX {name} ON {partition_name(PASSAGES, version.pk)} USING hnsw"
            f" ((embedding::halfvec({version.dimension})) halfvec_ip_ops) WITH"
            " (m = 2, ef_construction = 4)"
        )


def test_recall_of_what_is_scanned_is_not_measured(large: IndexVersion) -> None:
    assert probe_recall(large) is None
    clean_up(large)


def clean_up(version: IndexVersion) -> None:
    """Its partitions, which outlive the test's tables otherwise."""
    version.workspace.delete()
    drop_orphans()
