"""Retiring: after a soak, out of nobody's way, and for good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from embeddings import partitions
from embeddings.encoders.hash import HashEncoder
from embeddings.errors import MoveRefused, StillSoaking
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, VersionState
from embeddings.partitions import PASSAGES, TABLES, partition_name
from embeddings.search import search_passages
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.retiring import retire_version, soaks_until
from embeddings.services.running import cancel_version
from embeddings.tasks import drop_unused, embed_version, sweep
from kb.models import Workspace
from kb.search import SearchScope
from tests.embeddings.test_partitions import other_session, tables_of
from tests.embeddings.versions import (
    ANNA,
    fresh,
    in_a_session,
    last_event,
    put_in,
    ready,
    revisions_in,
    start,
)
from tests.factories import live, make_article, make_workspace

committed = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def a_day(settings: Settings) -> None:
    """Of soaking."""
    settings.INDEX_SOAK_HOURS = 24.0


@pytest.fixture
def clean(transactional_db: None) -> None:  # noqa: ARG001 - no transaction around it
    """Without the partitions that other tests left behind."""
    drop_unused()


def replaced(workspace: Workspace) -> IndexVersion:
    """The first version, after a cut-over to a second."""
    make_article(workspace, body="Some words to be found.")
    second, first = ready(workspace), live(workspace)
    cut_over(second, actor=ANNA, override="No questions yet.", patience=0)
    return fresh(first)


def replaced_long_ago(version: IndexVersion, *, hours: float = 25) -> IndexVersion:
    """As if so much time had passed."""
    until = timezone.now() - timedelta(hours=hours)
    IndexVersion.objects.filter(pk=version.pk).update(live_until=until)
    return fresh(version)


def finds(version: IndexVersion) -> list[int]:
    """Revisions that a question finds in it."""
    [query] = HashEncoder().encode_queries(["words to be found"])
    scope = SearchScope(workspace_id=version.workspace_id)
    return [hit.revision_id for hit in search_passages(version, query, scope=scope, limit=5)]


def test_one_that_was_live_is_kept_for_its_soak(workspace: Workspace) -> None:
    first = replaced(workspace)
    with pytest.raises(
        StillSoaking, match=rf"until {soaks_until(first):%Y-%m-%d %H:%M} UTC.*--now"
    ):
        retire_version(first, actor=ANNA)
    with pytest.raises(StillSoaking):
        retire_version(replaced_long_ago(first, hours=23.9), actor=ANNA)
    assert fresh(first).state == VersionState.STANDBY
    retire_version(replaced_long_ago(first), actor=ANNA, reason="A day without complaints.")
    assert fresh(first).state == VersionState.RETIRED
    event = last_event(first)
    assert (event.move, event.actor, event.reason) == (
        "retire", "anna", "A day without complaints.",
    )  # fmt: skip


def test_at_once_if_somebody_insists(workspace: Workspace) -> None:
    assert retire_version(replaced(workspace), actor=ANNA, at_once=True).state == "retired"


def test_the_soak_is_that_of_the_row_not_of_what_somebody_read_before(
    workspace: Workspace,
) -> None:
    stale = live(workspace)
    replaced(workspace)
    assert stale.state == VersionState.LIVE
    with pytest.raises(StillSoaking):
        retire_version(stale, actor=ANNA)


def test_one_that_never_answered_needs_none(workspace: Workspace) -> None:
    version = ready(workspace)
    assert soaks_until(version) <= timezone.now()
    assert retire_version(version, actor=ANNA).state == VersionState.RETIRED


@pytest.mark.parametrize(
    "state", [state for state in VersionState if state not in {"ready", "standby"}]
)
def test_nothing_else_is_retired(workspace: Workspace, state: VersionState) -> None:
    version = start(workspace)
    put_in(live(workspace), VersionState.STANDBY)
    put_in(version, state)
    with pytest.raises(MoveRefused, match="retire needs one that is ready or standby"):
        retire_version(version, actor=ANNA, at_once=True)


@pytest.mark.parametrize("end", [retire_version, cancel_version])
def test_a_worker_is_asked_to_free_the_space(
    workspace: Workspace,
    end: object,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(
        "embeddings.services.running.send_nudge", lambda task, **_: asked.append(task)
    )
    version = ready(workspace)
    with django_capture_on_commit_callbacks(execute=True):
        end(version, actor=ANNA)  # type: ignore[operator]
        assert asked == []
    assert asked == ["embeddings.drop_unused"]


@pytest.mark.usefixtures("clean")
def test_its_vectors_go_and_all_others_stay() -> None:
    workspace, other = make_workspace(), live(make_workspace())
    make_article(other.workspace)
    embed_pending(other)
    first = replaced(workspace)
    stored = revisions_in(live(workspace))
    retire_version(first, actor=ANNA, at_once=True)
    assert drop_unused() == 1
    assert tables_of(first.pk) == set()
    assert revisions_in(first) == []
    assert revisions_in(live(workspace)) == stored
    assert len(revisions_in(other)) == 1
    assert fresh(first).events.count() == 3  # its story is kept
    assert embed_version(first.pk) == 0
    assert drop_unused() == 0


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("state", VersionState.values)
def test_only_what_is_over_is_dropped(state: str) -> None:
    workspace = make_workspace()
    version = start(workspace)
    put_in(live(workspace), VersionState.STANDBY)
    put_in(version, VersionState(state))
    over = state in {"cancelled", "retired"}
    assert drop_unused() == int(over)
    assert len(tables_of(version.pk)) == (0 if over else len(TABLES))


@committed
def test_the_sweep_does_it_when_the_message_was_lost() -> None:
    first = replaced(make_workspace())
    retire_version(first, actor=ANNA, at_once=True)
    sweep()
    assert tables_of(first.pk) == set()


@contextmanager
def long_read(version: IndexVersion) -> Iterator[None]:
    """A report over one version's passages, in a transaction that stays open."""
    with other_session() as cursor:
        cursor.execute(f"SELECT count(*) FROM {PASSAGES} WHERE index_version_id = {version.pk}")
        yield


@committed
def test_others_ask_and_publish_while_it_is_dropped_under_a_long_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reader is of another workspace, as the questions that must not wait are."""
    monkeypatch.setattr(partitions, "PATIENCE", {"lock_timeout": "1s"})
    first, other = replaced(make_workspace()), live(make_workspace())
    article = make_article(other.workspace, body="Some words to be found.")
    embed_pending(other)
    retire_version(first, actor=ANNA, at_once=True)
    slowest = 0.0
    with ThreadPoolExecutor(1) as pool, long_read(other):
        dropping = pool.submit(in_a_session, sweep)
        while not dropping.done():
            began = time.monotonic()
            assert finds(other) == [article.published_revision_id]
            slowest = max(slowest, time.monotonic() - began)
        make_article(other.workspace)
        embed_pending(other)
        dropping.result()
    assert slowest < 0.7
    drop_unused()
    assert tables_of(first.pk) == set()


@committed
def test_a_version_that_is_read_for_long_is_dropped_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitions, "PATIENCE", {"lock_timeout": "300ms"})
    workspace = make_workspace()
    first = replaced(workspace)
    retire_version(first, actor=ANNA, at_once=True)
    with long_read(first):
        sweep()  # logs that it could not, and does the rest of its work
        assert partition_name(PASSAGES, first.pk) in tables_of(first.pk)
    sweep()
    assert tables_of(first.pk) == set()


@committed
def test_a_failed_attempt_leaves_no_lock_and_no_setting_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitions, "PATIENCE", {"lock_timeout": "300ms"})
    first = replaced(make_workspace())
    retire_version(first, actor=ANNA, at_once=True)
    with long_read(first):
        sweep()
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert cursor.fetchone() == (0,)
    drop_unused()


def test_nothing_is_left_to_roll_back_to(workspace: Workspace) -> None:
    first = replaced(workspace)
    retire_version(first, actor=ANNA, at_once=True)
    with pytest.raises(MoveRefused, match="Version 1 is retired"):
        roll_back(workspace, actor=ANNA, version=first)
