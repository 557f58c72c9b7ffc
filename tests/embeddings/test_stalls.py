"""Every reason why a version may stand still, made real in the rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
import structlog
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.models import (
    EntryState,
    IndexEntry,
    IndexVersion,
    ServingProcess,
    VersionState,
    WorkerHeartbeat,
)
from embeddings.services.running import pause_version
from embeddings.services.starting import Pace
from embeddings.watching.progress import version_progress
from embeddings.watching.stalls import warn_of_stalls
from embeddings.watching.waits import WaitKind
from kb.models import Workspace
from tests.embeddings.large import Large, large, low_limits
from tests.embeddings.standing import (
    age,
    ago,
    building,
    change,
    embedded,
    entries,
    leased,
    worker,
)
from tests.embeddings.test_hnsw import held_up_build
from tests.embeddings.versions import ANNA, allowed, fresh, put_in, ready, start
from tests.factories import live, make_article

__all__ = ["building", "large", "low_limits", "worker"]


def waits(version: IndexVersion, kind: WaitKind) -> str:
    """The sentence, of this kind."""
    progress = version_progress(fresh(version))
    assert progress.waiting_kind == kind, progress.waits_for
    return progress.waits_for


def test_nothing_is_waited_for_while_it_moves(building: IndexVersion) -> None:
    embedded(entries(building)[0], seconds_ago=5)
    assert waits(building, WaitKind.NOTHING) == ""
    assert waits(live(building.workspace), WaitKind.NOTHING) == ""


def test_paused(building: IndexVersion) -> None:
    pause_version(building, actor=ANNA, reason="the fair")
    told = waits(building, WaitKind.PAUSED)
    assert told.startswith("Paused by anna since ")
    assert "(the fair)" in told
    assert f"index_run resume --workspace {building.workspace.slug} --version 2" in told


def test_failed(building: IndexVersion) -> None:
    for entry in entries(building):
        change(entry, state=EntryState.PARKED, reason="No text.")
    assert not settle(building)
    assert "No text." in waits(building, WaitKind.FAILED)
    assert "index_run retry" in waits(building, WaitKind.FAILED)


def test_no_worker(building: IndexVersion, worker: WorkerHeartbeat) -> None:
    WorkerHeartbeat.objects.update(seen_at=ago(300))
    assert "heard of for 300 s. Start one with `celery" in waits(building, WaitKind.NO_WORKER)
    worker.delete()
    assert "heard of yet. Start one" in waits(building, WaitKind.NO_WORKER)
    leased(entries(building)[0])  # a command embeds in its own process
    assert waits(building, WaitKind.NOTHING) == ""


def test_outside_its_hours(workspace: Workspace) -> None:
    make_article(workspace)
    local = timezone.localtime()
    begins, ends = local + timedelta(hours=2), local + timedelta(hours=4)
    pace = Pace(night_from=begins.time(), night_until=ends.time())
    version = age(start(workspace, pace=pace), 600)
    told = waits(version, WaitKind.NIGHT)
    assert told.startswith(f"Outside its hours ({begins:%H:%M} to {ends:%H:%M}): it goes on at ")
    assert f"{begins:%H:%M}" in told.partition("goes on at")[2]
    change(entries(version)[0], bulk=False)  # what people publish is not held back
    assert waits(version, WaitKind.STALLED)


def test_held_back_by_its_speed_limit(workspace: Workspace) -> None:
    make_article(workspace)
    version = age(start(workspace, pace=Pace(tokens_per_second=1_500)), 600)
    until = timezone.now() + timedelta(seconds=40)
    IndexVersion.objects.filter(pk=version.pk).update(bulk_free_at=until)
    told = waits(version, WaitKind.SPEED_LIMIT)
    expected = f"Held back by its limit of 1,500 tokens/s until {timezone.localtime(until):%H:%M}"
    assert told.startswith(expected)


def test_encoder_is_away(building: IndexVersion) -> None:
    age(building, 600)
    due = timezone.now() + timedelta(seconds=30)
    change(entries(building)[0], reason="The server answered 503.", due_at=due)
    told = waits(building, WaitKind.ENCODER)
    assert told.startswith("The encoder 'hash-wide' cannot be used: The server answered 503. ")
    assert f"Tried again from {timezone.localtime(due):%H:%M:%S}" in told


def test_everything_is_in_hand(building: IndexVersion) -> None:
    age(building, 600)
    done, *held = entries(building)
    embedded(done, seconds_ago=100)
    for entry, name in zip(held, ("b:2", "a:1", "b:2"), strict=True):
        leased(entry, worker=name)
    told = waits(building, WaitKind.IN_HAND)
    since = timezone.localtime(entries(building)[0].embedded_at)
    assert told == (
        "3 of 3 articles left are in hand at a:1, b:2; "
        f"nothing was finished since {since:%H:%M:%S}."
    )


def test_everything_is_due_later(building: IndexVersion) -> None:
    age(building, 600)
    due = timezone.now() + timedelta(seconds=40)
    for entry in entries(building):
        change(entry, attempts=1, reason="RuntimeError: no", due_at=due)
    told = waits(building, WaitKind.DUE_LATER)
    assert told.startswith("4 articles failed and are tried again from ")
    assert told.endswith(f"{timezone.localtime(due):%H:%M:%S}; the first: RuntimeError: no")


def test_taken_up_in_a_moment_then_stalled(
    building: IndexVersion, client: Client, settings: Settings
) -> None:
    settings.SWEEP_SECONDS = 60
    assert waits(building, WaitKind.NOTHING) == ""
    age(building, 60)
    assert "wait for a worker to take them up" in waits(building, WaitKind.TAKE_UP)
    assert "unabridged_stalled_versions 0.0" in client.get("/metrics").content.decode()
    age(building, 600)
    told = waits(building, WaitKind.STALLED)
    assert told.startswith("Stalled: 4 articles are due and workers are alive, but nothing")
    assert "unabridged_stalled_versions 1.0" in client.get("/metrics").content.decode()


def test_stalled_is_logged_and_a_lease_run_out_explains_nothing(building: IndexVersion) -> None:
    age(building, 600)
    for entry in entries(building):
        leased(entry, seconds=-300)
    with structlog.testing.capture_logs() as logs:
        assert warn_of_stalls() == 1
    assert [(log["event"], log["version"]) for log in logs] == [
        ("index_version_stalled", building.pk)
    ]
    embed_pending(building)
    assert warn_of_stalls() == 0


def test_last_checks(building: IndexVersion, worker: WorkerHeartbeat) -> None:
    embed_pending(building)
    assert "last checks before it is ready" in waits(building, WaitKind.CHECKS)
    worker.delete()
    assert waits(building, WaitKind.NO_WORKER)


# --- once it is ready ---------------------------------------------------------------------


@pytest.fixture
def candidate(workspace: Workspace) -> IndexVersion:
    """Ready, beside a live one that has the same two articles."""
    for number in range(2):
        make_article(workspace, title=f"Title {number}")
    return ready(workspace)


def test_the_gate(candidate: IndexVersion, worker: WorkerHeartbeat) -> None:
    assert "The gate judges it" in waits(candidate, WaitKind.VERDICT)
    IndexVersion.objects.filter(pk=candidate.pk).update(problem="It could not be judged: why.")
    assert waits(candidate, WaitKind.VERDICT) == "It could not be judged: why."
    worker.delete()
    assert waits(candidate, WaitKind.NO_WORKER)


def test_refused_by_the_gate_until_it_lets_it(candidate: IndexVersion) -> None:
    against = live(candidate.workspace)
    allowed(candidate, against, yes=False)
    told = waits(candidate, WaitKind.REFUSED)
    assert told.startswith("The gate refused it: As asked. `cut_over --workspace ")
    assert told.endswith("--override REASON` goes on all the same.")
    allowed(candidate, against)
    told = waits(candidate, WaitKind.CUT_OVER)
    assert "Nothing stands in the way: `cut_over --workspace" in told
    IndexVersion.objects.filter(pk=candidate.pk).update(cut_over_when_ready=True)
    assert waits(candidate, WaitKind.CUT_OVER).startswith("A worker cuts over")


def test_processes_that_are_cold(candidate: IndexVersion) -> None:
    allowed(candidate, live(candidate.workspace))
    for name, seen in (("web:1", 1), ("gone:2", 60)):
        ServingProcess.objects.create(name=name, seen_at=ago(seen), problem="no memory")
    told = waits(candidate, WaitKind.COLD)
    assert told == "1 processes that answer questions load its encoder: web:1 no memory."


def test_parked_articles_to_be_waived(candidate: IndexVersion) -> None:
    allowed(candidate, live(candidate.workspace))
    change(entries(candidate)[0], state=EntryState.PARKED)
    told = waits(candidate, WaitKind.PARKED)
    assert told.startswith("1 articles could not be embedded ('Title 0'): mend and retry")
    assert "--waive REASON" in told


def test_articles_that_only_the_live_one_has(candidate: IndexVersion) -> None:
    allowed(candidate, live(candidate.workspace))
    IndexEntry.objects.filter(pk=entries(candidate)[0].pk).delete()
    assert waits(candidate, WaitKind.CATCHING_UP).startswith("1 articles that are searchable now")


# --- its HNSW index -----------------------------------------------------------------------


def test_hnsw_index_to_be_built(large: Large) -> None:
    version = put_in(large.version, VersionState.BUILDING)
    assert "has to build its HNSW index" in waits(version, WaitKind.HNSW)
    with held_up_build(large) as build:
        told = waits(version, WaitKind.HNSW)
        assert told == "Its HNSW index is being built: 0%."
        assert "HNSW being built" in version_progress(version).hnsw
    build.result(timeout=60)
    assert waits(version, WaitKind.CHECKS)
