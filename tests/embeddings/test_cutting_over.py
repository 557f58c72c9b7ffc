"""Cutting over: all or nothing, and never blindly."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone
from pytest_django import Settings

from embeddings.errors import (
    FingerprintChanged,
    GateRefused,
    MoveRefused,
    NeedsWaiver,
    NotReadyToServe,
    NoVersion,
    UnknownEncoder,
)
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.models import EntryState, IndexVersion, ServingProcess, VersionEvent, VersionState
from embeddings.services.cutting_over import cut_over, version_to_cut_over
from kb.models import Article
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
    in_a_session,
    last_event,
    put_in,
    ready,
    start,
)
from tests.factories import add_revision, live, make_article, make_workspace

__all__ = ["first", "impatient", "second"]
committed = pytest.mark.django_db(transaction=True)


def test_the_new_one_is_live_and_the_old_one_stands_by(
    first: IndexVersion, second: IndexVersion
) -> None:
    returned = cut_over(second, actor=ANNA)
    assert returned == live_version(first.workspace) == second
    assert fresh(first).state == VersionState.STANDBY
    assert fresh(first).live_until is not None
    replaced, made_live = last_event(first), last_event(second)
    assert (replaced.move, replaced.actor, replaced.details) == ("replace", "anna", {"by": 2})
    assert (made_live.move, made_live.actor, made_live.reason) == ("cut_over", "anna", "")
    assert made_live.details == {"verdict": second.verdicts.get().pk, "from": 1}


def test_failing_half_way_changes_nothing(
    first: IndexVersion, second: IndexVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = VersionEvent.objects.create

    def fails_the_second_time(**values: object) -> VersionEvent:
        if values["move"] == "cut_over":
            raise RuntimeError("the lights went out")
        return made(**values)

    monkeypatch.setattr(VersionEvent.objects, "create", fails_the_second_time)
    with pytest.raises(RuntimeError, match="lights"):
        cut_over(second, actor=ANNA)
    assert nothing_changed(first, second)


@pytest.mark.parametrize(
    "state", [state for state in VersionState if state not in {"ready", "standby", "live"}]
)
def test_only_what_is_ready_or_stands_by_goes_live(
    first: IndexVersion, second: IndexVersion, state: VersionState
) -> None:
    put_in(second, state)
    with pytest.raises(MoveRefused, match="cut over needs one that is ready or standby"):
        cut_over(second, actor=ANNA, override="I want it.", patience=30)
    assert live_version(first.workspace) == first


# --- processes that answer ----------------------------------------------------------------


def test_a_cold_process_is_waited_for(first: IndexVersion, second: IndexVersion) -> None:
    process("web:1", first, second)
    process("web:2", first, problem="hash-wide: The hub is away.")
    with pytest.raises(NotReadyToServe, match=r"1 process.*'hash-wide' yet: web:2 hash-wide: The"):
        cut_over(second, actor=ANNA, override="Quick.")
    assert nothing_changed(first, second)
    ServingProcess.objects.filter(name="web:2").update(fingerprints=[second.warm_as])
    assert cut_over(second, actor=ANNA) == second


def test_a_process_that_is_gone_is_not(first: IndexVersion, second: IndexVersion) -> None:
    process("web:gone", first, silent=31)
    assert cut_over(second, actor=ANNA) == second


@committed
def test_patience_ends_when_the_process_is_warm(settings: Settings) -> None:
    settings.CUT_OVER_PATIENCE = 20.0
    workspace = make_workspace()
    second = ready(workspace)
    allowed(second, live(workspace))
    process("web:1")
    with ThreadPoolExecutor(1) as pool:
        cutting = pool.submit(in_a_session, lambda: cut_over(second, actor=ANNA))
        time.sleep(0.6)
        assert not cutting.done()
        assert live(workspace).number == 1
        ServingProcess.objects.update(seen_at=timezone.now(), fingerprints=[second.warm_as])
        assert cutting.result(timeout=5) == second


@pytest.mark.parametrize(
    ("change", "error"),
    [({"fingerprint": "hash:changed"}, FingerprintChanged), ({"encoder": "gone"}, UnknownEncoder)],
)
def test_an_encoder_that_could_not_answer_keeps_it_out_though_no_process_says_so(
    first: IndexVersion, second: IndexVersion, change: dict[str, str], error: type[Exception]
) -> None:
    IndexVersion.objects.filter(pk=second.pk).update(**change)
    with pytest.raises(error):
        cut_over(fresh(second), actor=ANNA, override="Quick.", waiver="Never mind.")
    assert nothing_changed(first, second)


# --- what would be missing ----------------------------------------------------------------


def test_the_last_edits_are_waited_for(first: IndexVersion, second: IndexVersion) -> None:
    article = Article.objects.filter(workspace=first.workspace).earliest("pk")
    add_revision(article, body="Edited, and searchable in the live version only.")
    embed_pending(first)
    with pytest.raises(NotReadyToServe, match="1 articles that are searchable now are not in ver"):
        cut_over(second, actor=ANNA, override="Quick.", waiver="Never mind.")
    assert nothing_changed(first, second)
    embed_pending(second)
    assert cut_over(second, actor=ANNA) == second


def test_what_neither_finds_yet_is_not(first: IndexVersion, second: IndexVersion) -> None:
    make_article(first.workspace, body="Published a moment ago.")
    assert cut_over(second, actor=ANNA) == second


def test_parked_articles_need_a_waiver_which_is_recorded(
    first: IndexVersion, second: IndexVersion
) -> None:
    set_entries(second, EntryState.PARKED, count=2)
    started = time.monotonic()
    with pytest.raises(NeedsWaiver, match=r"2 articles .* \('Article 0', 'Article 1'\).*--waive"):
        cut_over(second, actor=ANNA, patience=30)
    with pytest.raises(NeedsWaiver):
        cut_over(second, actor=ANNA, waiver="  ", patience=30)
    assert time.monotonic() - started < 10  # waiting would mend nothing
    assert nothing_changed(first, second)
    cut_over(second, actor=ANNA, waiver=" They are obsolete. ")
    event = last_event(second)
    assert event.reason == "They are obsolete."
    assert event.details["parked"] == 2
    assert event.details["waiver"] == "They are obsolete."


def test_only_a_few_of_the_parked_are_named(first: IndexVersion, second: IndexVersion) -> None:
    for _ in range(2):
        make_article(first.workspace)
    embed_pending(second)
    set_entries(second, EntryState.PARKED, count=5)
    with pytest.raises(NeedsWaiver, match=r"5 articles .*'Article 2', …\)"):
        cut_over(second, actor=ANNA)


def test_a_waiver_does_not_open_the_gate(first: IndexVersion) -> None:
    second = ready(first.workspace)
    with pytest.raises(GateRefused):
        cut_over(second, actor=ANNA, waiver="They are obsolete.")
    assert nothing_changed(first, second)


# --- the gate -----------------------------------------------------------------------------


def test_what_was_not_judged_is_not_let_pass(first: IndexVersion) -> None:
    second = ready(first.workspace)
    with pytest.raises(
        GateRefused, match="has not been judged beside the live version 1"
    ) as refusal:
        cut_over(second, actor=ANNA, patience=30)
    assert refusal.value.worst == []
    assert nothing_changed(first, second)


def test_a_verdict_beside_another_version_does_not_count(first: IndexVersion) -> None:
    second = ready(first.workspace)
    allowed(first, second)  # the other way round
    with pytest.raises(GateRefused, match="not been judged"):
        cut_over(second, actor=ANNA)


def test_a_refusal_has_the_worst_questions_and_an_override_is_recorded(
    first: IndexVersion,
) -> None:
    second = ready(first.workspace)
    verdict = allowed(second, first, yes=False)
    with pytest.raises(GateRefused, match=r"The gate refused version 2: As asked\.") as refusal:
        cut_over(second, actor=ANNA, override="   ", patience=30)
    assert refusal.value.worst == verdict.worst
    assert verdict.worst[0]["question"] == "How do I get my money back?"
    assert nothing_changed(first, second)
    cut_over(second, actor=ANNA, override="The questions are out of date.")
    event = last_event(second)
    assert (event.reason, event.details) == (
        "The questions are out of date.",
        {"verdict": verdict.pk, "override": "The questions are out of date.", "from": 1},
    )


@pytest.mark.parametrize("last", [True, False])
def test_the_newest_verdict_counts(first: IndexVersion, last: bool) -> None:
    second = ready(first.workspace)
    allowed(second, first, yes=not last)
    allowed(second, first, yes=last)
    if last:
        assert cut_over(second, actor=ANNA) == second
    else:
        with pytest.raises(GateRefused):
            cut_over(second, actor=ANNA)


def test_which_one_is_meant(first: IndexVersion, second: IndexVersion) -> None:
    workspace = first.workspace
    assert version_to_cut_over(workspace) == second
    other = put_in(start(workspace, "minilm"), VersionState.READY)
    with pytest.raises(NoVersion, match=r"several ready versions \(3, 2\): choose one"):
        version_to_cut_over(workspace)
    put_in(other, VersionState.RETIRED)
    cut_over(second, actor=ANNA)
    with pytest.raises(NoVersion, match="no version that is ready"):
        version_to_cut_over(workspace)
