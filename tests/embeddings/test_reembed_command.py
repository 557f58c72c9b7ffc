"""`reembed`: what it takes, what it starts, and what it waits for."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError

from embeddings.filling.settling import settle
from embeddings.lifecycle import VersionState
from embeddings.models import EntryState, IndexEntry, IndexVersion, WorkerHeartbeat
from embeddings.services.cutting_over import cut_over
from embeddings.services.moving import Actor
from embeddings.services.running import pause_version
from embeddings.watching import following
from embeddings.watching.progress import VersionProgress, version_progress
from kb.models import Workspace
from tests.embeddings.commands import Steps, acme, both, failed, judge, run, second, work
from tests.embeddings.versions import ANNA, last_event

__all__ = ["acme"]


def reembed(workspace: Workspace, *options: object) -> tuple[str, ...]:
    """The command line, for the wide hash encoder."""
    line = ("reembed", "--workspace", workspace.slug, "--encoder", "hash-wide", *options)
    return tuple(map(str, line))


def meanwhile(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
    """What happens while the command waits."""
    monkeypatch.setattr(following, "time", Steps(*steps))


def test_estimate_alone_starts_nothing(acme: Workspace) -> None:
    told = run(*reembed(acme, "--estimate"))
    assert "hash-wide (windows), 128 dimensions" in told
    assert "articles  3; 0 articles exceed the window of 8,192" in told
    assert "tokens    30" in told
    assert "with one worker (measured here: 3 articles, 30 tokens in" in told
    assert "vectors   about 6, " in told
    assert "Warning: 128 dimensions, more than the 64 of the live version" in told
    assert acme.index_versions.count() == 1
    found = json.loads(run(*reembed(acme, "--estimate", "--json")))["estimate"]
    assert (found["articles"], found["tokens"], found["vectors"]) == (3, 30, 6)


def test_start_says_what_comes_next(acme: Workspace) -> None:
    told = run(*reembed(acme, "--reason", "better"))
    assert "Version 2 is building: 0 of 3 articles. Follow it: index_status --workspace" in told
    version = second(acme)
    assert (version.state, version.cut_over_when_ready) == ("building", False)
    assert version.estimate["tokens"] == 30
    event = last_event(version)
    assert (event.actor, event.reason) == (f"command ({getpass.getuser()})", "better")


def test_start_without_a_worker_says_how_to_get_one(acme: Workspace) -> None:
    WorkerHeartbeat.objects.all().delete()
    assert "No worker has been heard of yet. Start one with `celery" in run(*reembed(acme))


def test_pace_shadow_and_strategy_are_kept(acme: Workspace) -> None:
    options = ("--tokens-per-second", 500, "--night", "22:00-06:30", "--shadow", 0.25)
    run(*reembed(acme, "--strategy", "chunks", "--cut-over", *options))
    version = second(acme)
    assert version.encoder == "hash-wide@chunks"
    assert (version.tokens_per_second, version.shadow_share) == (500, 0.25)
    assert f"{version.night_from:%H:%M}-{version.night_until:%H:%M}" == "22:00-06:30"
    assert version.cut_over_when_ready


def test_wait_until_it_is_ready(acme: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, work(acme))
    answer = json.loads(run(*reembed(acme, "--wait", "--json")))
    assert (answer["version"], answer["estimate"]["tokens"]) == (2, 30)
    status = answer["status"]
    assert (status["state"], status["searchable"], status["percent"]) == ("ready", 3, 100.0)


def test_wait_tells_each_thing_that_is_waited_for_once(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause() -> None:
        pause_version(second(acme), actor=ANNA)

    def resume() -> None:
        call_command("index_run", "resume", workspace=acme.slug, stdout=StringIO())

    WorkerHeartbeat.objects.all().delete()
    meanwhile(monkeypatch, lambda: None, pause, lambda: None, resume, work(acme))
    _, err = both(*reembed(acme, "--wait"))
    lines = [line for line in err.splitlines() if line.startswith("Version 2")]
    assert [line.partition(" since")[0][:55] for line in lines] == [
        "Version 2, building: No worker has been heard of yet. S",
        "Version 2, paused: Paused by anna",
        "Version 2, building: No worker has been heard of yet. S",
        "Version 2, ready: No worker has been heard of yet. Star",
    ]


def test_wait_until_it_is_live(acme: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace() -> None:
        cut_over(second(acme), actor=Actor(name="worker"), patience=0)

    meanwhile(monkeypatch, work(acme), judge(acme), replace)
    told = run(*reembed(acme, "--wait", "--cut-over"))
    assert (
        f"Version 2 is live: 3 of 3 articles. Back again: roll_back --workspace {acme.slug}" in told
    )


def test_refusal_ends_the_wait_with_the_worst_questions(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, work(acme), judge(acme, yes=False))
    error, err = failed(*reembed(acme, "--wait", "--cut-over"))
    assert str(error).startswith("The gate refused it: As asked. `cut_over --workspace")
    assert err.splitlines()[-3:] == ["  -0.750  How do I pay?", "  -0.500  Can I cancel?", "  q3"]
    assert second(acme).state == VersionState.READY


def test_parked_articles_end_the_wait_for_live_only(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def park() -> None:
        first = IndexEntry.objects.filter(index_version=second(acme))[0]
        IndexEntry.objects.filter(pk=first.pk).update(state=EntryState.PARKED, reason="No text.")

    meanwhile(monkeypatch, park, work(acme), judge(acme))
    error, _ = failed(*reembed(acme, "--wait", "--cut-over"))
    assert "1 articles could not be embedded" in str(error)
    assert "--waive REASON" in str(error)


@pytest.mark.parametrize(
    ("ending", "complaint"),
    [("cancel", "Version 2 cancelled."), ("fail", "Version 2 failed: No article could be")],
)
def test_version_that_comes_to_nothing_ends_the_wait(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch, ending: str, complaint: str
) -> None:
    def end() -> None:
        if ending == "cancel":
            call_command("index_run", "cancel", workspace=acme.slug, stdout=StringIO())
        IndexEntry.objects.filter(index_version=second(acme)).update(state=EntryState.PARKED)
        settle(second(acme))

    meanwhile(monkeypatch, end)
    error, _ = failed(*reembed(acme, "--wait"))
    assert str(error).startswith(complaint)


def test_patience_has_an_end(acme: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    WorkerHeartbeat.objects.all().delete()
    meanwhile(monkeypatch)
    error, _ = failed(*reembed(acme, "--wait", "--timeout", 30))
    assert str(error).startswith("Nothing moved for 30 s; version 2 goes on without being waited")
    assert "Start one with `celery" in str(error)
    assert second(acme).state == VersionState.BUILDING


@pytest.mark.django_db(transaction=True)  # whose connection may be given up
def test_database_that_restarts_is_waited_for(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = iter([True, False, True, True, False])

    def progress(version: IndexVersion) -> VersionProgress:
        if next(away, False):
            raise OperationalError("the server terminated the connection")
        return version_progress(version)

    monkeypatch.setattr(following, "version_progress", progress)
    meanwhile(monkeypatch, lambda: None, work(acme))
    assert "Version 2 is ready" in run(*reembed(acme, "--wait"))
    meanwhile(monkeypatch)
    monkeypatch.setattr(following, "AWAY_SECONDS", -1.0)
    away = iter([True])
    call_command("index_run", "cancel", workspace=acme.slug, number=2, stdout=StringIO())
    error, _ = failed(*reembed(acme, "--wait"))
    assert "the database is away" in str(error)


def test_workspace_that_is_deleted_ends_the_wait(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: IndexVersion.objects.filter(number=2).delete())
    error, _ = failed(*reembed(acme, "--wait"))
    assert str(error) == "Version 2 is gone, and its workspace with it."


def test_interrupt_leaves_the_run_going(acme: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    meanwhile(monkeypatch, interrupt)
    error, _ = failed(*reembed(acme, "--wait"))
    assert f"goes on. Follow it: index_status --workspace {acme.slug} --watch" in str(error)
    assert error.returncode == 130
    assert second(acme).state == VersionState.BUILDING


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--encoder", "nope"], "No encoder is called 'nope'"),
        (["--encoder", "hash"], "has this fingerprint already"),
        (["--shadow", "2"], "A share is from 0"),
        (["--tokens-per-second", "0"], "A speed limit is above 0"),
        (["--night", "22:00"], "'22:00' is no window like 22:00-06:00"),
        (["--night", "05:00-05:00"], "A night window cannot be empty"),
        (["--strategy", "halves"], "invalid choice"),
        (["--workspace", "nowhere"], "no workspace is called 'nowhere'"),
    ],
)
def test_what_cannot_be_started_is_told_in_a_line(
    acme: Workspace, options: list[str], complaint: str
) -> None:
    error, _ = failed(*reembed(acme, *options))
    assert complaint in str(error)
    assert acme.index_versions.count() == 1


def test_person_is_asked_where_there_are_warnings(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    error, _ = failed(*reembed(acme))
    assert str(error) == "nothing was started"
    assert acme.index_versions.count() == 1
    run(*reembed(acme, "--yes"))
    assert acme.index_versions.count() == 2
