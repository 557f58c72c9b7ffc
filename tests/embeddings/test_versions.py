"""Index versions, their partitions, and what the sweep sees to."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from embeddings.errors import NoLiveIndex, NotSearchableInTime, UnknownEncoder
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.nudging import nudge_version
from embeddings.partitions import PARENTS
from embeddings.services.versions import create_index_version, ensure_first_version
from embeddings.tasks import embed_version, sweep
from embeddings.waiting import progress, wait_until_searchable
from kb.models import Workspace
from tests.embedded import session_servers
from tests.factories import live, make_article, make_workspace


def partitions() -> set[str]:
    """Names of all partitions of the vector tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = ANY(%s::regclass[])",
            [list(PARENTS)],
        )
        return {name for (name,) in cursor.fetchall()}


def test_version_has_partitions_and_its_encoders_fingerprint(workspace: Workspace) -> None:
    version = live(workspace)
    assert {f"{parent}_v{version.pk}" for parent in PARENTS} <= partitions()
    assert (version.number, version.dimension) == (1, 64)
    assert version.fingerprint == "hash:hash:64:50"


def test_versions_of_other_dimensions_live_side_by_side(workspace: Workspace) -> None:
    make_article(workspace)
    wide = create_index_version(workspace, encoder="hash-wide")
    assert embed_pending(live(workspace)).embedded == embed_pending(wide).embedded == 1
    assert (wide.number, wide.state, wide.dimension) == (2, VersionState.BUILDING, 128)


def test_only_one_version_can_be_live(workspace: Workspace) -> None:
    second = create_index_version(workspace, encoder="hash-wide")
    with pytest.raises(IntegrityError, match="one_live"), transaction.atomic():
        IndexVersion.objects.filter(pk=second.pk).update(state=VersionState.LIVE)


def test_unknown_encoder_makes_nothing(workspace: Workspace) -> None:
    before = partitions()
    with pytest.raises(UnknownEncoder):
        create_index_version(workspace, encoder="nope")
    assert partitions() == before
    assert workspace.index_versions.count() == 1


def test_first_version_is_made_once(workspace: Workspace) -> None:
    ensure_first_version(workspace)
    assert workspace.index_versions.count() == 1


def test_no_live_version_is_said_with_the_workspace(db: None) -> None:  # noqa: ARG001 - needs the database
    workspace = Workspace.objects.create(slug="bare", name="Bare")
    with pytest.raises(NoLiveIndex, match="'bare' has no live index"):
        live_version(workspace)


@pytest.mark.django_db(transaction=True)
def test_sweep_makes_up_for_everything_that_was_missed() -> None:
    bare = Workspace.objects.create(slug="bare-of-versions", name="Bare")
    make_article(bare)
    workspace = make_workspace()
    make_article(workspace)
    assert sweep() == 2
    assert IndexEntry.objects.filter(state=EntryState.PENDING).count() == 2
    assert embed_version(live(workspace).pk) == 1
    assert embed_version(live(bare).pk) == 1
    assert sweep() == 0


@pytest.mark.django_db(transaction=True)
def test_sweep_gives_a_live_version_where_only_others_are() -> None:
    workspace = Workspace.objects.create(slug="none-live", name="None live")
    building = create_index_version(workspace, encoder="hash-wide")
    make_article(workspace)
    sweep()
    assert live(workspace).number == 2
    assert live(workspace).encoder == "hash"
    building.refresh_from_db()
    assert building.state == VersionState.BUILDING


@pytest.mark.django_db(transaction=True)
def test_sweep_drops_partitions_of_deleted_workspaces() -> None:
    workspace = make_workspace()
    names = {f"{parent}_v{live(workspace).pk}" for parent in PARENTS}
    workspace.delete()
    assert names <= partitions()
    sweep()
    assert not names & partitions()


def test_message_for_a_version_that_is_gone_does_nothing(db: None) -> None:  # noqa: ARG001 - needs the database
    assert embed_version(987_654) == 0


def test_nudge_without_redis_is_logged_not_raised(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    redis = session_servers().redis
    redis.stop()
    try:
        nudge_version(live(workspace).pk, bulk=False)
    finally:
        redis.start()
    assert "nudge_not_sent" in caplog.text


def test_waiting_ends_when_all_is_searchable_and_complains_when_not(
    workspace: Workspace,
) -> None:
    article = make_article(workspace)
    with pytest.raises(NotSearchableInTime, match=r"1 of 1 articles .* no worker"):
        wait_until_searchable(workspace, timeout=0.1)
    embed_pending(live(workspace))
    done = wait_until_searchable(workspace, article_ids=[article.pk], timeout=0.1)
    assert (done.done, done.total, done.parked) == (1, 1, 0)
    assert progress(workspace, article_ids=[]).finished
