"""Rolling back: nothing is lost, and nothing that waiting would not mend is waited for."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from embeddings.errors import (
    FingerprintChanged,
    MoveRefused,
    NeedsWaiver,
    NotReadyToServe,
    NoVersion,
)
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.models import EntryState, IndexVersion, VersionState
from embeddings.receivers import on_articles_changed
from embeddings.services.cutting_over import cut_over, roll_back
from tests.embeddings.switching import (
    first,
    impatient,
    nothing_changed,
    process,
    second,
    set_entries,
)
from tests.embeddings.versions import (
    ANNA,
    allowed,
    fresh,
    last_event,
    moves_of,
    put_in,
    ready,
    revisions_in,
    start,
)
from tests.factories import make_article, make_workspace

__all__ = ["first", "impatient", "second"]


def test_back_and_there_again_loses_nothing(first: IndexVersion, second: IndexVersion) -> None:
    workspace = first.workspace
    cut_over(second, actor=ANNA)
    published = make_article(workspace, body="After the cut-over.")
    on_articles_changed(None, workspace_id=workspace.pk, article_ids=[published.pk], bulk=False)
    for version in (first, second):
        embed_pending(version)
    returned = roll_back(workspace, actor=ANNA, reason="Odd answers.")
    assert returned == live_version(workspace) == first
    assert published.published_revision_id in revisions_in(first)
    event = last_event(first)
    assert (event.move, event.reason, event.details) == ("roll_back", "Odd answers.", {"from": 2})
    assert fresh(second).state == VersionState.STANDBY
    allowed(second, first)
    assert cut_over(second, actor=ANNA) == live_version(workspace) == second
    assert moves_of(first) == ["start", "replace", "roll_back", "replace"]


def test_rolling_back_asks_no_gate_but_waits_for_edits_and_processes(
    first: IndexVersion, second: IndexVersion
) -> None:
    workspace = first.workspace
    cut_over(second, actor=ANNA)
    make_article(workspace)
    embed_pending(second)
    with pytest.raises(NotReadyToServe, match="not in version 1"):
        roll_back(workspace, actor=ANNA)
    embed_pending(first)
    process("web:1", second)
    with pytest.raises(NotReadyToServe, match="have not loaded 'hash'"):
        roll_back(workspace, actor=ANNA)
    assert live_version(workspace) == second


def test_rolling_back_anyway_waits_for_nothing_and_says_what_was_missing(
    first: IndexVersion, second: IndexVersion
) -> None:
    workspace = first.workspace
    cut_over(second, actor=ANNA)
    process("web:1", second)
    make_article(workspace)
    embed_pending(second)
    set_entries(first, EntryState.PARKED)
    IndexVersion.objects.filter(pk=first.pk).update(fingerprint="hash:changed")
    with pytest.raises(FingerprintChanged):
        roll_back(workspace, actor=ANNA)
    assert roll_back(workspace, actor=ANNA, anyway=True, patience=30) == first
    assert last_event(first).details == {"anyway": True, "parked": 1, "pending": 1, "from": 2}


def test_what_neither_could_embed_is_no_reason_to_stay(
    first: IndexVersion, second: IndexVersion
) -> None:
    workspace = first.workspace
    cut_over(second, actor=ANNA)
    set_entries(first, EntryState.PARKED)
    with pytest.raises(NeedsWaiver, match=r"1 articles that are searchable now .*\(--anyway\)"):
        roll_back(workspace, actor=ANNA, patience=30)
    set_entries(second, EntryState.PARKED)
    assert roll_back(workspace, actor=ANNA) == first


def test_back_to_the_one_that_was_live_last_or_to_another(
    first: IndexVersion, second: IndexVersion, settings: Settings
) -> None:
    workspace = first.workspace
    settings.ENCODERS = settings.ENCODERS | {
        "hash-long": {
            "BACKEND": "embeddings.encoders.hash.HashEncoder",
            "OPTIONS": {"dimension": 256, "name": "long"},
            "STRATEGY": "windows",
        }
    }
    cut_over(second, actor=ANNA)
    third = ready(workspace, "hash-long")
    cut_over(third, actor=ANNA, override="Try it.")
    assert roll_back(workspace, actor=ANNA) == second
    assert roll_back(workspace, actor=ANNA, version=first) == first


def test_nothing_to_go_back_to(first: IndexVersion, second: IndexVersion) -> None:
    with pytest.raises(NoVersion, match="has no version that stands by"):
        roll_back(first.workspace, actor=ANNA)
    with pytest.raises(MoveRefused, match="roll back needs one that is standby"):
        roll_back(first.workspace, actor=ANNA, version=second)
    elsewhere = put_in(start(make_workspace()), VersionState.STANDBY)
    with pytest.raises(NoVersion):
        roll_back(first.workspace, actor=ANNA, version=elsewhere)
    assert nothing_changed(first, second)
