"""How bulk work is held back: by tokens, and by hours."""

from __future__ import annotations

import time as clock
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from embeddings.filling import loop
from embeddings.filling.loop import embed_pending
from embeddings.filling.pacing import batch_characters, bulk_wait, charge
from embeddings.models import IndexVersion, VersionState
from embeddings.services.entries import ensure_entries
from embeddings.services.starting import Pace
from embeddings.tasks import sweep
from kb.models import Workspace
from tests.embeddings.versions import fresh, in_a_session, put_in, revisions_in, start
from tests.embeddings.watched import TEN_WORDS, WatchedEncoder, fill, watched
from tests.factories import live, make_article, make_workspace

__all__ = ["watched"]
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def at_night(begins: time, ends: time) -> IndexVersion:
    return IndexVersion(night_from=begins, night_until=ends)


# --- tokens a second ----------------------------------------------------------------------


def test_without_a_pace_nothing_waits(workspace: Workspace) -> None:
    version = start(workspace)
    charge(version, tokens=1_000_000)
    assert bulk_wait(fresh(version)) == timedelta(0)
    assert batch_characters(version, 40_000) == 40_000


def test_each_batch_pays_for_its_tokens(workspace: Workspace) -> None:
    version = start(workspace, pace=Pace(tokens_per_second=100))
    charge(version, tokens=500)
    charge(version, tokens=250)
    wait = bulk_wait(fresh(version)).total_seconds()
    assert 7.0 < wait <= 7.5


def test_idle_time_is_not_saved_up(workspace: Workspace) -> None:
    version = start(workspace, pace=Pace(tokens_per_second=100))
    IndexVersion.objects.filter(pk=version.pk).update(
        bulk_free_at=timezone.now() - timedelta(hours=1)
    )
    charge(version, tokens=100)
    assert 0.5 < bulk_wait(fresh(version)).total_seconds() <= 1.0


def test_batches_are_small_under_a_low_limit_but_never_empty(workspace: Workspace) -> None:
    version = start(workspace, pace=Pace(tokens_per_second=10))
    assert batch_characters(version, 40_000) == 80
    long = make_article(workspace, body="a long one " * 500)
    fill(workspace, 3)
    embed_pending(version, seconds=0)
    assert revisions_in(version) == [long.published_revision_id]
    IndexVersion.objects.update(bulk_free_at=None)
    embed_pending(version, seconds=0)
    assert len(revisions_in(version)) == 2  # of 48 characters each


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_over_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PACE_POLL_SECONDS", 0.05)
    workspace = make_workspace()
    fill(workspace, 40)
    version = start(workspace, pace=Pace(tokens_per_second=100))
    began = clock.monotonic()
    with ThreadPoolExecutor(2) as pool:
        workers = [
            pool.submit(in_a_session, lambda: embed_pending(fresh(version))) for _ in range(2)
        ]
        results = [worker.result() for worker in workers]
    took = clock.monotonic() - began
    assert sum(result.embedded for result in results) == 40
    # Each batch is paid after it: the last ones of the two workers (of 2 s at most) are free.
    last = 2 * batch_characters(version, 40_000) / len(TEN_WORDS) * 10
    assert (400 - last) / took <= 100
    assert took < 30


@pytest.mark.parametrize("seconds", [0.0, None])
def test_a_worker_does_not_wait_longer_than_it_may(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    slept: list[float] = []

    def sleep(span: float) -> None:
        slept.append(span)
        IndexVersion.objects.update(bulk_free_at=None)

    monkeypatch.setattr("embeddings.filling.loop.time.sleep", sleep)
    fill(workspace, 1)
    version = start(workspace, pace=Pace(tokens_per_second=1))
    charge(version, tokens=600)
    result = embed_pending(version, seconds=seconds)
    assert result.embedded == (0 if seconds == 0.0 else 1)
    assert slept == ([] if seconds == 0.0 else [1.0])


@pytest.mark.django_db(transaction=True)  # the database's clock stands still within one
@pytest.mark.parametrize(("tokens", "finished"), [(0, False), (700, True)])
def test_what_is_held_back_for_a_moment_is_left_to_the_next_run_not_to_the_sweep(
    tokens: int, finished: bool
) -> None:
    workspace = make_workspace()
    fill(workspace, 2)
    version = start(workspace, pace=Pace(tokens_per_second=10))
    charge(version, tokens=tokens)
    result = embed_pending(version, seconds=0.5)
    assert result.embedded == (0 if finished else 1)
    assert result.finished == finished
    assert (0.5 < result.pause <= 1.0) == (not finished)


def test_a_run_that_has_an_end_does_not_sleep_for_long(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("embeddings.filling.loop.time.sleep", slept.append)
    fill(workspace, 1)
    version = start(workspace, pace=Pace(tokens_per_second=10))
    charge(version, tokens=30)
    result = embed_pending(version, seconds=100.0)
    assert (result.embedded, result.finished, slept) == (0, False, [])
    assert 2.5 < result.pause <= 3.0


def test_the_time_that_a_batch_took_is_part_of_what_it_may_take(workspace: Workspace) -> None:
    version = start(workspace, pace=Pace(tokens_per_second=100))
    charge(version, tokens=500, since=timezone.now() - timedelta(seconds=4))
    assert 0.5 < bulk_wait(fresh(version)).total_seconds() <= 1.0


@pytest.mark.django_db(transaction=True)
def test_the_loop_counts_a_batch_from_its_beginning(watched: WatchedEncoder) -> None:
    workspace = make_workspace()
    fill(workspace, 1)
    version = start(workspace, "watched", pace=Pace(tokens_per_second=10))
    watched.before = lambda _: clock.sleep(0.5)
    embed_pending(version, seconds=0)
    assert bulk_wait(fresh(version)).total_seconds() < 0.5


@pytest.mark.parametrize("state", ["ready", "live", "standby"])
def test_a_pace_is_the_builds_and_ends_with_it(workspace: Workspace, state: str) -> None:
    version = shut(start(workspace, pace=Pace(tokens_per_second=1)))
    charge(version, tokens=600)
    put_in(live(workspace), VersionState.STANDBY)
    version = put_in(version, VersionState(state))
    charge(version, tokens=600)
    assert bulk_wait(fresh(version)) == timedelta(0)
    assert batch_characters(version, 40_000) == 40_000
    fill(workspace, 3)  # imported by day
    ensure_entries(version, bulk=True)
    assert embed_pending(version, seconds=5).embedded == 3


# --- hours --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "ends", "at", "wait"),
    [
        (time(1), time(5), "00:30", timedelta(minutes=30)),
        (time(1), time(5), "01:00", timedelta(0)),
        (time(1), time(5), "04:59", timedelta(0)),
        (time(1), time(5), "05:00", timedelta(hours=20)),
        (time(22), time(6), "21:59", timedelta(minutes=1)),
        (time(22), time(6), "22:00", timedelta(0)),
        (time(22), time(6), "23:59", timedelta(0)),
        (time(22), time(6), "00:00", timedelta(0)),
        (time(22), time(6), "05:59", timedelta(0)),
        (time(22), time(6), "06:00", timedelta(hours=16)),
        (time(22, 30, 15), time(6), "22:30", timedelta(seconds=15)),
    ],
)
def test_night_window_and_how_long_until_it_opens(
    begins: time, ends: time, at: str, wait: timedelta
) -> None:
    hour, minute = map(int, at.split(":"))
    now = NOON.replace(hour=hour, minute=minute)
    assert bulk_wait(at_night(begins, ends), now=now) == wait


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        # Berlin puts its clocks forward at 01:00 UTC on 29 March, back on 25 October 2026.
        (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), timedelta(hours=2, minutes=30)),
        (datetime(2026, 10, 24, 22, 30, tzinfo=UTC), timedelta(hours=4, minutes=30)),
        (datetime(2026, 6, 1, 22, 30, tzinfo=UTC), timedelta(hours=3, minutes=30)),
    ],
    ids=["a short night", "a long night", "any other"],
)
def test_the_hours_are_those_of_the_clock_on_the_wall(
    settings: Settings, now: datetime, wait: timedelta
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    version = at_night(time(4), time(6))
    assert bulk_wait(version, now=now) == wait
    assert bulk_wait(version, now=now + wait) == timedelta(0)
    assert bulk_wait(version, now=now + wait - timedelta(seconds=1)) == timedelta(seconds=1)


def shut(version: IndexVersion) -> IndexVersion:
    """Its night is twelve hours away."""
    now = timezone.now()
    IndexVersion.objects.filter(pk=version.pk).update(
        night_from=(now + timedelta(hours=12)).time(),
        night_until=(now + timedelta(hours=13)).time(),
    )
    return fresh(version)


def test_by_day_edits_go_on_and_bulk_work_rests(workspace: Workspace) -> None:
    fill(workspace, 3)
    version = shut(start(workspace))
    assert embed_pending(version, seconds=5).embedded == 0
    edited = make_article(workspace, body="A person published this.")
    ensure_entries(version, bulk=False)
    assert embed_pending(version, seconds=5).embedded == 1
    assert revisions_in(version) == [edited.published_revision_id]


def test_by_day_the_sweep_asks_for_edits_only(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, bool]] = []
    monkeypatch.setattr(
        "embeddings.tasks.nudge_version", lambda pk, *, bulk, **_: asked.append((pk, bulk))
    )
    monkeypatch.setattr("embeddings.tasks.drop_orphans", lambda: 0)  # not in a transaction
    fill(workspace, 1)
    embed_pending(live(workspace))
    version = shut(start(workspace))
    sweep()
    assert asked == []
    make_article(workspace)
    embed_pending(live(workspace))
    ensure_entries(version, bulk=False)
    sweep()
    assert asked == [(version.pk, False)]
