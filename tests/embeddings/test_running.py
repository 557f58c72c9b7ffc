"""Steering a build while workers are at it: whatever comes when, no row is left in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta
from threading import Event

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from embeddings.encoders.base import Document, EmbeddedDocument
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.registry import get_encoder
from embeddings.errors import MoveRefused, NoVersion, TextNotEmbeddable
from embeddings.filling.claims import claim_entries
from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.partitions import TABLES
from embeddings.receivers import on_articles_changed
from embeddings.services.running import (
    cancel_version,
    change_pace,
    pause_version,
    resume_version,
    retry_version,
    version_of,
)
from embeddings.services.starting import Pace
from embeddings.tasks import drop_unused, embed_version, sweep
from kb.errors import InvalidInput
from kb.models import Workspace
from tests.embeddings.test_partitions import tables_of
from tests.embeddings.versions import (
    ANNA,
    fresh,
    in_a_session,
    moves_of,
    put_in,
    revisions_in,
    start,
)
from tests.factories import add_revision, live, make_article, make_workspace

committed = pytest.mark.django_db(transaction=True)


class BusyEncoder(HashEncoder):
    """While it encodes, `meanwhile` happens; refuses bodies that are `unreadable`."""

    meanwhile: Callable[[], object] | None = None
    refusing = True

    def __init__(self, *, strategy: str) -> None:
        super().__init__(name="busy", strategy=strategy)
        self.calls: list[int] = []

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """The hash encoder's."""
        self.calls.append(len(documents))
        if self.meanwhile:
            self.meanwhile()
        if self.refusing and any("unreadable" in document.body for document in documents):
            raise TextNotEmbeddable("No text in here.")
        return super().encode_documents(documents)


@pytest.fixture
def busy(settings: Settings) -> BusyEncoder:
    """Configured as `busy`."""
    settings.ENCODERS = settings.ENCODERS | {
        "busy": {"BACKEND": f"{__name__}.BusyEncoder", "STRATEGY": "windows"}
    }
    encoder = get_encoder("busy")
    assert isinstance(encoder, BusyEncoder)
    return encoder


def fill(workspace: Workspace, articles: int) -> None:
    """More than one claim, from 33 on."""
    for number in range(articles):
        make_article(workspace, body=f"article {number}")


def publish(workspace: Workspace) -> int:
    """As a person does, with what follows after the commit; the revision's id."""
    article = make_article(workspace, body="Published meanwhile.")
    on_articles_changed(None, workspace_id=workspace.pk, article_ids=[article.pk], bulk=False)
    return article.published_revision_id or 0


def test_a_pause_stores_the_batch_in_hand_and_claims_no_other(
    workspace: Workspace, busy: BusyEncoder
) -> None:
    fill(workspace, 80)
    version = start(workspace, "busy")
    busy.meanwhile = lambda: pause_version(version, actor=ANNA, reason="Peak hours.")
    assert embed_pending(version).embedded == 32
    assert busy.calls == [32]
    assert len(revisions_in(version)) == 32
    entries = IndexEntry.objects.filter(index_version=version)
    assert entries.filter(state=EntryState.PENDING).count() == 48
    assert not entries.filter(state=EntryState.EMBEDDING).exists()
    assert claim_entries(version, worker="late") is None
    assert embed_version(version.pk) == 0
    assert not settle(version)


def test_resumed_it_goes_on_with_what_was_published_meanwhile(
    workspace: Workspace, busy: BusyEncoder
) -> None:
    fill(workspace, 3)
    edited = make_article(workspace, body="before")
    version = start(workspace, "busy")
    pause_version(version, actor=ANNA)
    published = publish(workspace)
    newer = add_revision(edited, body="after")
    assert not IndexEntry.objects.filter(index_version=version, revision=published).exists()
    busy.calls.clear()
    resume_version(version, actor=ANNA)
    assert embed_pending(version).embedded == 5
    assert {published, newer.pk} <= set(revisions_in(version))
    assert settle(version)
    assert moves_of(version) == ["start", "pause", "resume", "finish"]


def test_a_worker_is_told_of_start_resume_and_retry(
    workspace: Workspace,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nudged: list[int] = []
    for module in ("running", "starting"):
        monkeypatch.setattr(
            f"embeddings.services.{module}.nudge_version", lambda pk, **_: nudged.append(pk)
        )
    with django_capture_on_commit_callbacks(execute=True):
        version = start(workspace)
        pause_version(version, actor=ANNA)
    assert nudged == [version.pk]
    with django_capture_on_commit_callbacks(execute=True):
        resume_version(version, actor=ANNA)
        retry_version(version, actor=ANNA)
    assert nudged == [version.pk] * 3


@pytest.mark.parametrize("state", VersionState.values)
def test_who_receives_what_is_published(workspace: Workspace, state: str) -> None:
    if state == VersionState.LIVE:
        version = live(workspace)
    else:
        version = put_in(start(workspace), VersionState(state))
    published = publish(workspace)
    received = IndexEntry.objects.filter(index_version=version, revision=published)
    assert received.exists() == (state in {"building", "ready", "live", "standby"})
    assert embed_pending(version).embedded == received.count()
    assert (published in revisions_in(version)) == received.exists()


def test_cancel_while_encoding_stores_nothing_and_breaks_nothing(
    workspace: Workspace, busy: BusyEncoder
) -> None:
    fill(workspace, 40)
    version = start(workspace, "busy")
    busy.meanwhile = lambda: cancel_version(version, actor=ANNA, reason="Wrong model.")
    result = embed_pending(version)
    assert (result.embedded, busy.calls) == (0, [32])
    assert revisions_in(version) == []
    assert not IndexEntry.objects.filter(index_version=version).parked().exists()
    assert fresh(version).state == VersionState.CANCELLED
    assert embed_pending(live(workspace)).embedded == 40


@committed
def test_cancelled_while_encoding_its_partitions_may_be_gone_before_the_batch_is(
    busy: BusyEncoder,
) -> None:
    workspace = make_workspace()
    fill(workspace, 3)
    version = start(workspace, "busy")

    def give_up() -> None:
        cancel_version(version, actor=ANNA)
        drop_unused()

    busy.meanwhile = give_up
    assert embed_pending(version).embedded == 0
    assert tables_of(version.pk) == set()
    assert len(tables_of(live(workspace).pk)) == len(TABLES)
    assert sweep() == 1  # the live one has work, the cancelled one is left in peace


@committed
def test_a_cancel_waits_for_a_batch_that_is_being_stored(busy: BusyEncoder) -> None:
    """Either the batch is in before the version is cancelled, or it is not stored."""
    workspace = make_workspace()
    fill(workspace, 20)
    version = start(workspace, "busy")
    encoding, cancelled = Event(), Event()

    def meanwhile() -> None:
        encoding.set()
        cancelled.wait(10)

    busy.meanwhile = meanwhile
    with ThreadPoolExecutor(1) as pool:
        embedding = pool.submit(in_a_session, lambda: embed_pending(version))
        assert encoding.wait(10)
        cancel_version(version, actor=ANNA)
        cancelled.set()
        assert embedding.result().embedded == 0
    assert revisions_in(version) == []


@pytest.mark.parametrize("state", ["paused", "failed", "ready", "building"])
def test_what_can_be_given_up(workspace: Workspace, state: str) -> None:
    version = put_in(start(workspace), VersionState(state))
    assert cancel_version(version, actor=ANNA).state == VersionState.CANCELLED


@pytest.mark.parametrize("state", ["live", "standby", "retired", "cancelled"])
def test_what_answers_or_may_answer_again_is_not_cancelled(
    workspace: Workspace, state: str
) -> None:
    version = start(workspace)
    put_in(live(workspace), VersionState.STANDBY)
    put_in(version, VersionState(state))
    with pytest.raises(MoveRefused):
        cancel_version(version, actor=ANNA)


def test_retry_gives_parked_articles_a_fresh_start(workspace: Workspace, busy: BusyEncoder) -> None:
    make_article(workspace, body="unreadable")
    fill(workspace, 2)
    other = start(workspace, "hash-wide")
    version = start(workspace, "busy")
    embed_pending(version)
    parked = IndexEntry.objects.filter(index_version=version).parked()
    assert parked.count() == 1
    busy.refusing = False
    assert retry_version(version, actor=ANNA) == 1
    assert not parked.exists()
    assert embed_pending(version).embedded == 1
    assert settle(version)
    assert moves_of(version) == ["start", "finish"]
    assert retry_version(other, actor=ANNA) == 0


def test_retry_of_a_failed_version_builds_again_with_what_came_since(
    workspace: Workspace, busy: BusyEncoder
) -> None:
    make_article(workspace, body="unreadable")
    version = start(workspace, "busy")
    embed_pending(version)
    settle(version)
    assert fresh(version).state == VersionState.FAILED
    publish(workspace)
    busy.refusing = False
    assert retry_version(version, actor=ANNA, reason="The file was mended.") == 1
    assert embed_pending(version).embedded == 2
    assert settle(version)
    assert moves_of(version) == ["start", "fail", "retry", "finish"]
    assert fresh(version).problem == ""


@pytest.mark.parametrize("state", ["paused", "cancelled", "retired"])
def test_retry_is_refused_where_nothing_is_embedded(workspace: Workspace, state: str) -> None:
    version = put_in(start(workspace), VersionState(state))
    with pytest.raises(MoveRefused, match="retry needs one that is failed"):
        retry_version(version, actor=ANNA)


def test_pace_is_changed_from_the_next_batch_on(workspace: Workspace) -> None:
    version = start(workspace, pace=Pace(tokens_per_second=1))
    IndexVersion.objects.filter(pk=version.pk).update(
        bulk_free_at=timezone.now() + timedelta(hours=1)
    )
    change_pace(version, pace=Pace(night_from=time(22), night_until=time(6)))
    changed = fresh(version)
    assert (changed.tokens_per_second, changed.bulk_free_at) == (None, None)
    assert (changed.night_from, changed.night_until) == (time(22), time(6))
    with pytest.raises(InvalidInput):
        change_pace(version, pace=Pace(tokens_per_second=0))
    assert fresh(version).night_from == time(22)


def test_versions_go_by_their_numbers_within_a_workspace(workspace: Workspace) -> None:
    start(workspace)
    start(make_workspace("elsewhere"), "hash-wide")
    assert version_of(workspace, 2).workspace == workspace
    with pytest.raises(NoVersion, match=r"no index version 3; it has 2, 1\."):
        version_of(workspace, 3)
