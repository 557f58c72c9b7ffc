"""Campaigns: order, concurrency, failures, and that nothing is begun twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import time
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from embeddings import campaigning, judging
from embeddings.campaigning import advance
from embeddings.errors import EncoderUnavailable, NoCampaign, UnknownEncoder
from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.lifecycle import Move, VersionState
from embeddings.models import Campaign, CampaignState, CampaignWorkspace, IndexVersion, Step
from embeddings.services.campaigns import (
    campaign_named,
    pause_campaign,
    resume_campaign,
    start_campaign,
    stop_campaign,
)
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.moving import make_move
from embeddings.services.running import cancel_version, pause_version, retry_version
from embeddings.services.starting import Pace, start_version
from embeddings.tasks import advance_campaigns, sweep
from kb.errors import Conflict, InvalidInput
from kb.models import Workspace
from tests.conftest import HASH_ENCODERS
from tests.embeddings.versions import ANNA, allowed, fresh, in_a_session
from tests.factories import live, make_article, make_workspace

pytestmark = pytest.mark.django_db


def workspaces(*sizes: int) -> list[Workspace]:
    """Named a, b, c …, with so many articles each."""
    made = [make_workspace(slug) for slug, _ in zip("abcdefgh", sizes, strict=False)]
    for workspace, size in zip(made, sizes, strict=True):
        for _ in range(size):
            make_article(workspace)
        embed_pending(live(workspace))
    return made


def begin(**options: Any) -> Campaign:
    """A campaign, advanced once."""
    given: dict[str, Any] = {"name": "all", "encoder": "hash-wide", "actor": ANNA} | options
    campaign = start_campaign(**given)
    advance(campaign)
    return again(campaign)


def again(campaign: Campaign) -> Campaign:
    """As the database has it."""
    return Campaign.objects.get(pk=campaign.pk)


def steps(campaign: Campaign) -> str:
    """Of each workspace in its order, the first letters of its state."""
    return " ".join(turn.state[:4] for turn in campaign.turns.all())


def version_in(slug: str) -> IndexVersion:
    """The one that the campaign builds."""
    turn = CampaignWorkspace.objects.get(workspace__slug=slug)
    assert turn.version is not None
    return turn.version


def build(slug: str) -> IndexVersion:
    """Until it is ready."""
    version = version_in(slug)
    embed_pending(version)
    assert settle(version)
    return fresh(version)


def fail(slug: str) -> None:
    """As a build that finds too little does."""
    make_move(version_in(slug), Move.FAIL, actor=ANNA, reason="It finds too little.")


def reason_of(slug: str) -> str:
    """Why the workspace is where it is."""
    return CampaignWorkspace.objects.get(workspace__slug=slug).reason


@pytest.mark.parametrize(
    ("order", "slugs"), [("smallest", "bca"), ("largest", "acb"), ("slug", "abc")]
)
def test_order(order: str, slugs: str) -> None:
    workspaces(3, 0, 1)
    campaign = begin(order=order)
    assert "".join(turn.workspace.slug for turn in campaign.turns.all()) == slugs
    assert steps(campaign) == "buil wait wait"


def test_so_many_at_a_time_until_all_are_done() -> None:
    workspaces(1, 2, 3, 4)
    campaign = begin(concurrency=2)
    assert steps(campaign) == "buil buil wait wait"
    assert advance(campaign) == advance(campaign) == 0
    build("b")
    assert advance(campaign) == 1
    assert steps(campaign) == "buil read buil wait"
    for slug in "acd":
        advance(campaign)
        build(slug)
    advance(campaign)
    done = again(campaign)
    assert steps(done) == "read read read read"
    assert (done.state, done.done_at is not None) == (CampaignState.DONE, True)
    assert IndexVersion.objects.filter(encoder="hash-wide").count() == 4


def test_builds_get_the_campaigns_pace_actor_and_strategy() -> None:
    workspaces(1)
    pace = Pace(tokens_per_second=500, night_from=time(22), night_until=time(6))
    begin(pace=pace, cut_over=True, strategy="windows")
    version = version_in("a")
    assert (version.tokens_per_second, version.night_from) == (500, time(22))
    assert version.cut_over_when_ready
    event = version.events.get()
    assert (event.actor, event.reason) == ("anna", "Campaign all")


def test_only_the_chosen_workspaces_take_part() -> None:
    a, _, c = workspaces(1, 1, 1)
    campaign = begin(workspaces=[c, a], order="slug", concurrency=9)
    assert [turn.workspace.slug for turn in campaign.turns.all()] == ["a", "c"]
    assert steps(campaign) == "buil buil"


def test_what_is_live_already_is_skipped_and_a_build_under_way_adopted() -> None:
    _, b, c = workspaces(1, 1, 1)
    Workspace.objects.filter(slug="a").delete()
    make_workspace("a", encoder="hash-wide")
    begun = start_version(b, encoder="hash-wide", actor=ANNA)
    campaign = begin(order="slug", cut_over=True)
    assert steps(campaign) == "skip buil wait"
    assert "which is live" in reason_of("a")
    assert version_in("b") == begun
    assert fresh(begun).cut_over_when_ready
    assert c.index_versions.count() == 1


def test_a_failure_stops_it_and_builds_under_way_go_on() -> None:
    workspaces(1, 2, 3)
    campaign = begin(concurrency=2)
    fail("a")
    assert advance(campaign) == 0
    stopped = again(campaign)
    assert (stopped.state, stopped.reason) == ("stopped", "a: It finds too little.")
    build("b")
    assert advance(campaign) == 0
    assert steps(campaign) == "fail read wait"


def test_resumed_it_goes_on_past_the_failure_and_stops_at_the_next() -> None:
    workspaces(1, 2, 3)
    campaign = begin()
    fail("a")
    advance(campaign)
    resume_campaign(campaign, actor=ANNA)
    assert advance(campaign) == 1
    assert steps(campaign) == "fail buil wait"
    fail("b")
    advance(campaign)
    assert again(campaign).reason.startswith("b: ")
    retry_version(version_in("a"), actor=ANNA)
    advance(campaign)
    assert steps(campaign) == "buil fail wait"
    fail("a")
    resume_campaign(campaign, actor=ANNA)
    advance(campaign)
    assert again(campaign).reason.startswith("a: ")


def test_it_may_be_told_to_keep_going() -> None:
    workspaces(1, 2)
    campaign = begin(stop_on_failure=False)
    cancel_version(version_in("a"), actor=ANNA)
    assert advance(campaign) == 1
    assert reason_of("a") == "Version 2 was cancelled."
    build("b")
    advance(campaign)
    assert (steps(campaign), again(campaign).state) == ("fail read", CampaignState.DONE)


def test_the_next_begins_when_the_gate_let_the_last_one_go_live() -> None:
    first, _ = workspaces(1, 2)
    campaign = begin(cut_over=True)
    candidate = build("a")
    assert advance(campaign) == 0
    assert steps(campaign) == "judg wait"
    allowed(candidate, live(first))
    assert advance(campaign) == 0
    cut_over(candidate, actor=ANNA, patience=0)
    assert advance(campaign) == 1
    assert steps(campaign) == "live buil"
    roll_back(first, actor=ANNA, patience=0)
    advance(campaign)
    assert again(campaign).reason == "a: Version 2 stands by: another one is live."


def test_a_refusal_by_the_gate_stops_it() -> None:
    first, _ = workspaces(1, 2)
    campaign = begin(cut_over=True)
    allowed(build("a"), live(first), yes=False)
    assert advance(campaign) == 0
    assert (steps(campaign), again(campaign).state) == ("fail wait", CampaignState.STOPPED)
    assert "The gate refused it" in reason_of("a")


def test_paused_its_builds_rest_and_resumed_they_go_on() -> None:
    workspaces(1, 2)
    campaign = begin()
    pause_campaign(campaign, actor=ANNA, reason="Release day.")
    assert fresh(version_in("a")).state == VersionState.PAUSED
    assert advance(campaign) == 0
    assert steps(campaign) == "buil wait"
    with pytest.raises(Conflict, match="The campaign is paused"):
        pause_campaign(campaign, actor=ANNA)
    resume_campaign(campaign, actor=ANNA)
    assert fresh(version_in("a")).state == VersionState.BUILDING
    build("a")
    assert advance(campaign) == 1


def test_stopped_its_builds_go_on_unless_they_are_cancelled() -> None:
    workspaces(1, 2)
    campaign = begin()
    stop_campaign(campaign, actor=ANNA)
    build("a")
    assert (advance(campaign), steps(campaign)) == (0, "read wait")
    resume_campaign(campaign, actor=ANNA)
    advance(campaign)
    stop_campaign(campaign, actor=ANNA, cancel=True)
    assert fresh(version_in("b")).state == VersionState.CANCELLED
    assert again(campaign).reason == "Stopped by anna."


def test_a_build_paused_by_somebody_keeps_its_place() -> None:
    workspaces(1, 2)
    campaign = begin()
    pause_version(version_in("a"), actor=ANNA)
    assert (advance(campaign), steps(campaign)) == (0, "buil wait")
    assert reason_of("a") == "Version 2 is paused."


def test_a_deleted_workspace_is_no_longer_part_of_it() -> None:
    first, _ = workspaces(1, 2)
    campaign = begin()
    first.delete()
    assert advance(campaign) == 1
    assert steps(campaign) == "buil"


@pytest.mark.django_db(transaction=True)
def test_an_encoder_that_is_gone_stops_it_and_fails_nobody(settings: Settings) -> None:
    workspaces(1, 2)
    campaign = begin()
    build("a")
    settings.ENCODERS = {name: HASH_ENCODERS[name] for name in ("hash", "minilm")}
    assert advance_campaigns() == 0
    stopped = again(campaign)
    assert (steps(stopped), stopped.state) == ("read wait", CampaignState.STOPPED)
    assert "Nothing can be begun: " in stopped.reason
    assert "'hash-wide'" in stopped.reason
    settings.ENCODERS = HASH_ENCODERS
    assert advance_campaigns() == 0
    resume_campaign(stopped, actor=ANNA)
    assert advance_campaigns() == 1


def test_an_encoder_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    workspaces(1)
    campaign = start_campaign(name="all", encoder="hash-wide", actor=ANNA)

    def away(alias: str) -> object:
        raise EncoderUnavailable(f"{alias} is being loaded.")

    with monkeypatch.context() as patched:
        patched.setattr(campaigning, "get_encoder", away)
        with pytest.raises(EncoderUnavailable):
            advance(campaign)
    assert again(campaign).state == CampaignState.RUNNING
    assert advance(campaign) == 1


def test_a_judging_that_ended_for_good_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    workspaces(1, 2)
    campaign = begin(cut_over=True)
    candidate = build("a")
    monkeypatch.setattr(
        type(judging.appointed()), "why_over", lambda *_: "Run 7 was cancelled.", raising=True
    )
    assert advance(campaign) == 0
    assert (steps(campaign), again(campaign).state) == ("fail wait", CampaignState.STOPPED)
    assert "ended without a verdict: Run 7 was cancelled. Judge it again" in reason_of("a")
    allowed(candidate, live(candidate.workspace))
    advance(campaign)
    assert steps(campaign) == "judg wait"


def test_what_cannot_be_started_leaves_nothing() -> None:
    a, b = workspaces(1, 1)
    begin(name="first", workspaces=[a])
    refused: list[tuple[type[Exception], dict[str, Any]]] = [
        (UnknownEncoder, {"encoder": "nope"}),
        (InvalidInput, {"order": "odd"}),
        (InvalidInput, {"concurrency": 0}),
        (InvalidInput, {"workspaces": []}),
        (InvalidInput, {"workspaces": [b], "pace": Pace(tokens_per_second=0)}),
        (Conflict, {"name": "first", "workspaces": [b]}),
        (Conflict, {"workspaces": [a, b]}),
    ]
    for error, options in refused:
        with pytest.raises(error):
            begin(**options)
    assert Campaign.objects.count() == 1
    with pytest.raises(NoCampaign, match="there are: first"):
        campaign_named("second")


def test_a_stopped_one_lets_others_have_its_workspaces_and_waits_for_them() -> None:
    workspaces(1, 1)
    first = begin(name="first")
    stop_campaign(first, actor=ANNA)
    begin(name="second", encoder="hash")
    second = campaign_named("second")
    assert second.state == CampaignState.DONE  # all are live with it already
    pause = begin(name="third")
    with pytest.raises(Conflict, match="'third' already"):
        resume_campaign(again(first), actor=ANNA)
    stop_campaign(pause, actor=ANNA)
    assert resume_campaign(again(first), actor=ANNA).state == CampaignState.RUNNING


def test_a_step_costs_the_same_however_many_wait() -> None:
    workspaces(*[1] * 8)
    campaign = begin()
    with CaptureQueriesContext(connection) as many:
        advance(campaign)
    campaign.turns.filter(position__gt=2).delete()
    with CaptureQueriesContext(connection) as few:
        advance(campaign)
    assert len(many) == len(few)


@pytest.mark.django_db(transaction=True)
def test_many_sweeps_at_once_begin_nothing_twice() -> None:
    workspaces(1, 1, 1, 1, 1)
    campaign = start_campaign(name="all", encoder="hash-wide", concurrency=3, actor=ANNA)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(in_a_session, lambda: advance(campaign)) for _ in range(4)]
        assert sum(future.result() for future in futures) == 3
    assert steps(campaign).count(Step.BUILDING[:4]) == 3
    assert IndexVersion.objects.filter(encoder="hash-wide").count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_campaigns_begun_at_once_do_not_share_a_workspace() -> None:
    workspaces(0, 0)

    def start(name: str) -> str:
        try:
            start_campaign(name=name, encoder="hash-wide", actor=ANNA)
        except Conflict:
            return "refused"
        return "begun"

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(in_a_session, partial(start, name)) for name in ("one", "two")]
        assert sorted(future.result() for future in futures) == ["begun", "refused"]


@pytest.mark.django_db(transaction=True)
def test_the_sweep_takes_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    nudged: list[str] = []
    monkeypatch.setattr("embeddings.receivers.nudge_campaigns", lambda: nudged.append("campaigns"))
    workspaces(1, 1)
    campaign = start_campaign(name="all", encoder="hash-wide", actor=ANNA)
    sweep()
    assert steps(campaign) == "buil wait"
    nudged.clear()
    build("a")
    assert nudged == ["campaigns"]
    sweep()
    assert steps(campaign) == "read buil"
