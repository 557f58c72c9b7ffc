"""Bulk work stands back for what people publish, and for nobody's trouble."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import OperationalError

from embeddings.encoders.base import Document, Encoder
from embeddings.filling import loop
from embeddings.filling.loop import embed_pending
from embeddings.live import encoder_of
from embeddings.models import IndexVersion
from embeddings.services.entries import ensure_entries
from embeddings.tasks import embed_version
from kb.models import Workspace
from tests.embeddings.versions import fresh, put_in, revisions_in, start
from tests.embeddings.watched import WatchedEncoder, fill, watched
from tests.factories import live, make_article, make_workspace

__all__ = ["watched"]


def test_an_edit_elsewhere_goes_before_the_next_batch(
    workspace: Workspace, watched: WatchedEncoder
) -> None:
    fill(workspace, 70)  # three claims
    elsewhere = make_workspace()
    version = start(workspace, "watched")
    found_after: list[int] = []

    def somebody_publishes(_: Sequence[Document]) -> None:
        found_after.append(len(revisions_in(live(elsewhere))))
        if len(found_after) == 1:
            make_article(elsewhere)
            ensure_entries(live(elsewhere), bulk=False)

    watched.before = somebody_publishes
    result = embed_pending(version)
    assert found_after == [0, 1, 1]
    assert result.embedded == 70  # its own only


def test_an_edit_of_its_own_articles_goes_first_in_all_versions(
    workspace: Workspace, watched: WatchedEncoder
) -> None:
    fill(workspace, 40)
    embed_pending(live(workspace))
    version = start(workspace, "watched")
    edited = make_article(workspace, body="A person published this.")
    for each in (live(workspace), version):
        ensure_entries(each, bulk=False)
    embed_pending(version, seconds=0)  # one batch: the live version's edit
    assert edited.published_revision_id in revisions_in(live(workspace))
    assert watched.seen == []
    embed_pending(version, seconds=0)
    assert len(watched.seen) == 32
    assert "A person published this." in watched.seen


def test_bulk_work_of_others_is_not_done_for_them(
    workspace: Workspace, watched: WatchedEncoder
) -> None:
    fill(workspace, 3)
    ensure_entries(live(workspace), bulk=True)
    embed_pending(start(workspace, "watched"))
    assert len(watched.seen) == 3
    assert revisions_in(live(workspace)) == []


@pytest.mark.parametrize("ailing", [{"fingerprint": "hash:changed"}, {"encoder": "taken-out"}])
def test_another_versions_broken_encoder_does_not_stop_the_build(
    workspace: Workspace, watched: WatchedEncoder, ailing: dict[str, str]
) -> None:
    elsewhere = make_workspace()
    IndexVersion.objects.filter(workspace=elsewhere).update(**ailing)
    make_article(elsewhere)
    ensure_entries(live(elsewhere), bulk=False)
    fill(workspace, 3)
    assert embed_pending(start(workspace, "watched")).embedded == 3
    assert len(watched.seen) == 3


@pytest.mark.parametrize("fault", [ValueError("odd"), OperationalError("away")])
def test_whatever_ails_another_version_does_not_stop_the_build_unless_the_database_is_away(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    elsewhere = make_workspace()
    make_article(elsewhere)
    ensure_entries(live(elsewhere), bulk=False)
    fill(workspace, 3)
    version = start(workspace)

    def broken(of: IndexVersion) -> Encoder:
        if of.workspace_id == elsewhere.pk:
            raise fault
        return encoder_of(of)

    monkeypatch.setattr(loop, "encoder_of", broken)
    if isinstance(fault, OperationalError):
        with pytest.raises(OperationalError):
            embed_pending(version)
    else:
        assert embed_pending(version).embedded == 3


def test_an_encoder_that_was_taken_out_is_told_on_the_version(
    workspace: Workspace,
) -> None:
    fill(workspace, 1)
    version = start(workspace)
    IndexVersion.objects.filter(pk=version.pk).update(encoder="taken-out")
    assert embed_version(version.pk) == 0
    assert "No encoder is called 'taken-out'" in fresh(version).problem


@pytest.mark.parametrize("state", ["paused", "failed", "cancelled", "retired"])
def test_edits_wait_where_nothing_is_received(workspace: Workspace, state: str) -> None:
    elsewhere = make_workspace()
    other = start(elsewhere)
    make_article(elsewhere)
    ensure_entries(other, bulk=False)
    put_in(other, state)  # type: ignore[arg-type]
    fill(workspace, 1)
    assert embed_pending(start(workspace)).embedded == 1
    assert revisions_in(other) == []
