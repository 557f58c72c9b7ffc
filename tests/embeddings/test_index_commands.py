"""The other commands on index versions, as an operator types them."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.lifecycle import VersionState
from embeddings.management.commands import index_status
from embeddings.models import EntryState, IndexEntry, IndexVersion
from kb.models import Workspace
from manage import needs_servers
from tests.conftest import HASH_ENCODERS
from tests.embeddings.commands import Steps, acme, failed, judge, run, second, work
from tests.embeddings.versions import allowed, fresh, last_event, moves_of, ready, start
from tests.factories import live, make_article

__all__ = ["acme"]

# --- index_status -------------------------------------------------------------------------


def test_status_keeps_its_keys_and_has_more(acme: Workspace) -> None:
    candidate = ready(acme)
    allowed(candidate, live(acme), yes=False)
    IndexVersion.objects.filter(pk=candidate.pk).update(shadow_share=0.1)
    newest, first = json.loads(run("index_status", "--workspace", acme.slug, "--json"))
    assert {
        "workspace", "version", "state", "encoder", "fingerprint", "dimension", "strategy",
        "searchable", "pending", "embedding", "parked", "tokens", "oldest_pending",
        "vector_indexes", "parked_reasons",
    } <= set(first)  # fmt: skip
    assert (first["state"], first["searchable"], first["tokens"]) == ("live", 3, 30)
    assert (first["waits_for"], first["verdict"], first["verdict_allowed"]) == ("", "", None)
    assert (newest["percent"], newest["eta_seconds"], newest["total"]) == (100.0, 0.0, 3)
    assert newest["tokens_per_second"] > 0
    assert (newest["verdict"], newest["verdict_allowed"]) == ("As asked.", False)
    assert newest["waiting_kind"] == "refused"
    assert newest["shadow_share"] == 0.1


def test_status_says_in_words_what_a_table_cannot(acme: Workspace) -> None:
    candidate = start(acme)
    IndexEntry.objects.filter(index_version=candidate).update(
        state=EntryState.PARKED, reason="No text."
    )
    settle(candidate)
    told = run("index_status", "--workspace", acme.slug)
    assert "failed" in told
    assert f"{acme.slug} 2 waits: Failed: No article could be embedded; the first: No text." in told
    assert told.count("No article could be embedded") == 1
    assert f"parked in {acme.slug}: Title 0: No text." in told


def test_status_shows_verdict_and_shadow(acme: Workspace) -> None:
    candidate = ready(acme)
    allowed(candidate, live(acme))
    IndexVersion.objects.filter(pk=candidate.pk).update(shadow_share=0.1)
    told = run("index_status", "--workspace", acme.slug)
    assert f"{acme.slug} 2, passed: As asked." in told
    assert f"{acme.slug} 2: 10% of the live questions are asked of it too." in told
    assert f"{acme.slug} 2 waits: Nothing stands in the way: `cut_over --workspace" in told


def test_watch_looks_again_until_it_is_interrupted(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    start(acme)
    monkeypatch.setattr(index_status, "time", Steps(work(acme), interrupt))
    told = run("index_status", "--workspace", acme.slug, "--watch")
    assert "ready" in told
    error, _ = failed("index_status", "--watch", "--json")
    assert "leave out --watch" in str(error)


# --- cut_over, roll_back, retire ----------------------------------------------------------


def test_there_and_back_again(acme: Workspace) -> None:
    candidate = ready(acme)
    allowed(candidate, live(acme))
    told = run("cut_over", "--workspace", acme.slug)
    assert told.startswith("Version 2 (hash-wide) is live. Back again: roll_back --workspace")
    assert live(acme).number == 2
    told = run("roll_back", "--workspace", acme.slug, "--reason", "worse")
    assert told.strip() == "Version 1 (hash) is live again."
    assert last_event(live(acme)).reason == "worse"
    assert moves_of(candidate)[-2:] == ["cut_over", "replace"]
    error, _ = failed("cut_over", "--workspace", acme.slug, "--version", 2)
    assert "not been judged" in str(error)  # since it was live
    allowed(candidate, live(acme))
    run("cut_over", "--workspace", acme.slug, "--version", 2)
    assert live(acme).number == 2


def test_refused_cut_over_names_the_worst_questions(acme: Workspace) -> None:
    candidate = ready(acme)
    error, err = failed("cut_over", "--workspace", acme.slug)
    assert "has not been judged beside the live version 1 yet" in str(error)
    assert err == ""
    judge(acme, yes=False)()
    error, err = failed("cut_over", "--workspace", acme.slug)
    assert str(error).startswith("The gate refused version 2: As asked.")
    assert err.splitlines() == ["  -0.750  How do I pay?", "  -0.500  Can I cancel?", "  q3"]
    assert live(acme).number == 1
    run("cut_over", "--workspace", acme.slug, "--override", "the questions are stale")
    event = last_event(candidate)
    assert event.details["override"] == event.reason == "the questions are stale"


def test_parked_articles_are_left_behind_by_a_waiver_only(acme: Workspace) -> None:
    candidate = ready(acme)
    allowed(candidate, live(acme))
    entry = IndexEntry.objects.filter(index_version=candidate)[0]
    IndexEntry.objects.filter(pk=entry.pk).update(state=EntryState.PARKED)
    error, _ = failed("cut_over", "--workspace", acme.slug, "--timeout", 0)
    assert "--waive REASON" in str(error)
    run("cut_over", "--workspace", acme.slug, "--waive", "a stub")
    assert last_event(candidate).details["waiver"] == "a stub"


def test_roll_back_waits_for_what_is_missing_unless_told_otherwise(acme: Workspace) -> None:
    candidate = ready(acme)
    allowed(candidate, live(acme))
    run("cut_over", "--workspace", acme.slug)
    make_article(acme)
    embed_pending(live(acme))
    line = ("roll_back", "--workspace", acme.slug, "--version", 1)
    error, _ = failed(*line, "--timeout", 0)
    assert "1 articles that are searchable now are not in version 1 yet" in str(error)
    started = time.monotonic()
    run(*line, "--anyway")
    assert time.monotonic() - started < 5
    assert live(acme).number == 1


def test_retired_after_its_soak_or_now(acme: Workspace, settings: Settings) -> None:
    candidate = ready(acme)
    allowed(candidate, live(acme))
    run("cut_over", "--workspace", acme.slug)
    line = ("retire", "--workspace", acme.slug, "--version", 1, "--reason", "done")
    error, _ = failed(*line)
    assert "--now retires it all the same" in str(error)
    assert run(*line, "--now").strip() == "Version 1 is retired; a worker frees its space."
    first = acme.index_versions.get(number=1)
    assert (first.state, last_event(first).reason) == ("retired", "done")
    settings.INDEX_SOAK_HOURS = 0
    error, _ = failed("retire", "--workspace", acme.slug, "--version", 2)
    assert "Version 2 is live" in str(error)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (["cut_over"], "has no version that is ready"),
        (["cut_over", "--version", "9"], "has no index version 9; it has 1"),
        (["roll_back"], "nothing to go back to"),
        (["retire"], "--version"),
        (["retire", "--version", "7"], "has no index version 7"),
        (["index_run", "pause"], "has no index version that is building"),
        (["index_run", "stop"], "invalid choice"),
        (["index_run", "pause", "--version", "1"], "pause needs one that is building"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    acme: Workspace, line: list[str], complaint: str
) -> None:
    error, _ = failed(*line, "--workspace", acme.slug)
    assert complaint in str(error)


# --- index_run ----------------------------------------------------------------------------


def test_pause_resume_cancel(acme: Workspace) -> None:
    version = start(acme)
    line = ("--workspace", acme.slug, "--reason", "fair")
    assert run("index_run", "pause", *line).strip() == "Version 2 is paused."
    assert (fresh(version).state, last_event(version).reason) == ("paused", "fair")
    assert run("index_run", "resume", *line).strip() == "Version 2 is building."
    assert run("index_run", "cancel", *line).strip() == "Version 2 is cancelled."
    assert moves_of(version) == ["start", "pause", "resume", "cancel"]


def test_retry_takes_up_what_was_parked(acme: Workspace) -> None:
    version = start(acme)
    IndexEntry.objects.filter(index_version=version).update(
        state=EntryState.PARKED, due_at=timezone.now() + timedelta(hours=6)
    )
    settle(version)
    assert fresh(version).state == VersionState.FAILED
    told = run("index_run", "retry", "--workspace", acme.slug)
    assert told.strip() == "Version 2: 3 articles are tried again."
    assert fresh(version).state == VersionState.BUILDING
    assert embed_pending(fresh(version)).embedded == 3
    told = run("index_run", "retry", "--workspace", acme.slug, "--version", 1)
    assert told.strip() == "Version 1: 0 articles are tried again."


def test_several_runs_have_to_be_named(acme: Workspace, settings: Settings) -> None:
    third = {**HASH_ENCODERS["hash"], "OPTIONS": {"name": "third"}}
    settings.ENCODERS = {**HASH_ENCODERS, "third": third}
    start(acme)
    start(acme, "third")
    error, _ = failed("index_run", "pause", "--workspace", acme.slug)
    assert "has several versions that are building (3, 2): name one." in str(error)
    run("index_run", "pause", "--workspace", acme.slug, "--version", 3)
    assert second(acme).state == VersionState.BUILDING


def test_pace_changes_what_is_given_and_nothing_else(acme: Workspace) -> None:
    version = start(acme)
    line = ("index_run", "pace", "--workspace", acme.slug)
    told = run(*line, "--tokens-per-second", 2000, "--night", "22:00-06:00")
    assert told.strip() == "Version 2: 2,000 tokens/s, from 22:00 to 06:00."
    told = run(*line, "--night", "none")
    assert told.strip() == "Version 2: 2,000 tokens/s, at any hour."
    assert (fresh(version).tokens_per_second, fresh(version).night_from) == (2000, None)
    told = run(*line, "--tokens-per-second", "none")
    assert told.strip() == "Version 2: no speed limit, at any hour."


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "say --tokens-per-second N"),
        (["--tokens-per-second", "fast"], "'fast' is neither a number nor none"),
        (["--tokens-per-second", "-1"], "A speed limit is above 0"),
        (["--night", "late"], "'late' is no window"),
    ],
)
def test_pace_that_makes_no_sense(acme: Workspace, options: list[str], complaint: str) -> None:
    start(acme)
    error, _ = failed("index_run", "pace", "--workspace", acme.slug, *options)
    assert complaint in str(error)


# --- their own --version ------------------------------------------------------------------


def test_version_of_an_index_is_not_djangos() -> None:
    assert needs_servers(["retire", "--workspace", "acme", "--version", "2"])
    assert not needs_servers(["--version"])
    assert not needs_servers(["retire", "--help"])
