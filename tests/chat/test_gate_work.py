"""The gate as work of the queue: taken up, shared, killed, gone on with, and what follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from chat.errors import CannotJudge
from chat.evaluation import gate, gate_acting, tasks
from chat.evaluation.continuing import continue_run
from chat.evaluation.gate import advance, judge
from chat.evaluation.gate_opening import open_judgement
from chat.evaluation.recording import STORED_AT_ONCE
from chat.evaluation.tasks import judge_version, run_evaluation, sweep_gate
from chat.models import EvaluationRun, GatePolicy, Judgement, QuestionOutcome, RunState
from chat.services.evaluations import cancel_run
from embeddings.models import (
    IndexEntry,
    IndexVersion,
    ServingProcess,
    Verdict,
    VersionEvent,
    VersionState,
)
from embeddings.services.cutting_over import cut_over
from embeddings.services.running import cancel_version
from kb.models import Workspace
from tests.chat.candidates import ANN, CANDIDATES, TOPICS, furnish, label, ready
from tests.factories import live, make_workspace

pytestmark = pytest.mark.django_db

Capture = Callable[..., Any]
Sent = list[tuple[str, tuple[object, ...]]]


@pytest.fixture(autouse=True)
def encoders(hash_encoder: None, settings: Settings) -> None:  # noqa: ARG001 - comes first
    settings.ENCODERS = CANDIDATES


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What would have gone to the workers."""
    messages: Sent = []

    def send(task: Any, *arguments: object, queue: str, expires: int | None = None) -> None:
        assert queue == "bulk"
        assert expires in {None, 60}
        messages.append((f"{task.name}{' for a minute' if expires else ''}", arguments))

    monkeypatch.setattr(tasks, "send_nudge", send)
    return messages


def problem(version: IndexVersion) -> str:
    version.refresh_from_db()
    return version.problem


def forget_leases() -> None:
    EvaluationRun.objects.filter(state=RunState.RUNNING).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def test_a_version_that_gets_ready_is_judged(
    workspace: Workspace, sent: Sent, django_capture_on_commit_callbacks: Capture
) -> None:
    label(workspace, furnish(workspace))
    with django_capture_on_commit_callbacks(execute=True):
        version = ready(workspace, "twin")
    assert ("chat.judge_version", (version.pk,)) in sent
    judge_version(version.pk)
    assert Verdict.objects.get().allowed
    assert (problem(version), version.state) == ("", VersionState.READY)


def test_the_sweep_finds_what_has_no_verdict(workspace: Workspace, sent: Sent) -> None:
    furnish(workspace)
    assert sweep_gate() == 0
    version = ready(workspace, "twin")
    assert sweep_gate() == 1
    assert sent == [("chat.judge_version for a minute", (version.pk,))]
    GatePolicy.objects.create(workspace=workspace, required=False)
    judge_version(version.pk)
    assert sweep_gate() == 0
    other = ready(workspace, "hash-wide")
    judge_version(other.pk)
    assert sweep_gate() == 0
    cut_over(other, actor=ANN)
    assert sweep_gate() == 1  # the first was judged beside another live version


def test_a_refused_version_stays_ready_with_the_reason(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "broken", cut_over=True)
    judge_version(version.pk)
    assert problem(version).startswith("The gate refused it. Asked: 36 questions of Desk.")
    assert version.state == VersionState.READY
    assert live(workspace).number == 1
    assert sweep_gate() == 0


def test_an_allowed_version_goes_live_by_itself_where_that_was_asked_for(
    workspace: Workspace,
) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin", cut_over=True)
    judge_version(version.pk)
    assert live(workspace).pk == version.pk
    event = VersionEvent.objects.filter(version=version).latest("pk")
    assert (event.actor, event.details["verdict"]) == ("worker", Verdict.objects.get().pk)
    judge_version(version.pk)  # a message that came twice
    assert Verdict.objects.count() == 1


def test_what_is_not_complete_is_not_cut_over_to_until_it_is(
    workspace: Workspace, settings: Settings
) -> None:
    settings.CUT_OVER_PATIENCE = 300.0  # a worker waits for nothing all the same
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin", cut_over=True)
    parked = IndexEntry.objects.filter(index_version=version).latest("pk")
    IndexEntry.objects.filter(pk=parked.pk).update(state="parked", reason="poison")
    judge_version(version.pk)
    assert problem(version) == gate_acting.NEEDS_WAIVER
    assert "could not be embedded" in version.problem
    assert parked.revision.title not in version.problem  # it is told to who may not know of it
    assert version.state == VersionState.READY
    assert sweep_gate() == 1
    IndexEntry.objects.filter(pk=parked.pk).update(state="embedded")
    cold = ServingProcess.objects.create(name="web", seen_at=timezone.now())
    began = time.monotonic()
    judge_version(version.pk)
    assert time.monotonic() - began < 5
    assert "have not loaded 'twin'" in problem(version)
    cold.delete()
    judge_version(version.pk)
    assert live(workspace).pk == version.pk
    assert problem(version) == ""


def test_two_who_judge_at_once_share_the_work_and_the_verdict(workspace: Workspace) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    one, other = open_judgement(version), open_judgement(version)
    assert one.pk == other.pk
    assert EvaluationRun.objects.count() == 2
    first = advance(one, seconds=60)
    second = advance(other, seconds=60)
    assert first is not None
    assert first == second == judge(version)
    assert Verdict.objects.count() == 1


def test_long_judging_takes_turns(
    workspace: Workspace, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TASK_SECONDS", 0)
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    turns = 0
    while not Verdict.objects.exists():
        judge_version(version.pk)
        turns += 1
        assert len(sent) == turns - Verdict.objects.count()
    assert turns == -(-3 * len(TOPICS) // STORED_AT_ONCE)


def test_a_killed_judge_is_followed_by_another(
    workspace: Workspace, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")

    def die(run_id: int, *, seconds: float) -> bool:  # noqa: ARG001 - the shape of continue_run
        assert not continue_run(run_id, seconds=0)
        EvaluationRun.objects.filter(pk=run_id).update(
            lease="00000000-0000-0000-0000-000000000000",
            lease_until=timezone.now() + timedelta(minutes=1),
        )
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(gate, "continue_run", die)
        with pytest.raises(KeyboardInterrupt):
            judge_version(version.pk)
    asked = set(QuestionOutcome.objects.values_list("pk", flat=True))
    assert len(asked) == STORED_AT_ONCE
    judge_version(version.pk)  # the dead one's lease holds still: the other run is asked
    assert not Verdict.objects.exists()
    sent.clear()
    judge_version(version.pk)
    assert sent == []  # nothing to do but wait: nobody runs in circles
    forget_leases()
    judge_version(version.pk)
    verdict = Verdict.objects.get()
    assert verdict.allowed
    assert asked < set(QuestionOutcome.objects.values_list("pk", flat=True))
    assert QuestionOutcome.objects.count() == 2 * 3 * len(TOPICS)


def test_the_runs_may_be_finished_by_whoever_runs_evaluations(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    open_judgement(version)
    for run in EvaluationRun.objects.all():
        run_evaluation(run.pk)
    assert set(EvaluationRun.objects.values_list("state", flat=True)) == {"done"}
    judge_version(version.pk)
    assert Verdict.objects.get().allowed


def test_a_run_that_fails_is_told_and_tried_again_later(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    judgement = open_judgement(version)
    assert judgement.candidate_run
    judgement.candidate_run.settings = {"articles": 0}
    judgement.candidate_run.save()
    judge_version(version.pk)
    assert problem(version).startswith("It could not be judged: Run ")
    assert "articles must be" in version.problem
    assert sweep_gate() == 0
    judge_version(version.pk)
    assert Judgement.objects.count() == 1
    Judgement.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert sweep_gate() == 1
    judge_version(version.pk)
    assert Verdict.objects.get().allowed
    assert problem(version) == ""


def test_what_a_person_cancelled_is_not_begun_anew_by_itself(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    judgement = open_judgement(version)
    assert judgement.candidate_run
    cancel_run(judgement.candidate_run)
    with pytest.raises(CannotJudge, match="was cancelled"):
        judge(version)
    assert sweep_gate() == 0
    assert judge(version).allowed  # asked for by a person


def test_deleted_runs_end_the_judging(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    open_judgement(version)
    EvaluationRun.objects.all().delete()
    judge_version(version.pk)
    assert "Its runs were deleted" in problem(version)


def test_an_encoder_that_is_away_is_waited_for(
    workspace: Workspace, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    rows = IndexVersion.objects.filter(pk=version.pk)
    rows.update(fingerprint="another")
    judge_version(version.pk)
    judge_version(version.pk)
    assert not Verdict.objects.exists()
    monkeypatch.setattr(gate, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(gate, "POLL_SECONDS", 0.0)
    with pytest.raises(CannotJudge, match="Waiting for the encoder"):
        judge(version)
    rows.update(fingerprint=version.fingerprint)
    sent.clear()
    judge_version(version.pk)
    assert Verdict.objects.get().allowed


def test_a_cut_over_meanwhile_begins_the_judging_anew(workspace: Workspace) -> None:
    furnish(workspace)
    second, third = ready(workspace, "twin"), ready(workspace, "hash-wide")
    stale = open_judgement(third)
    cut_over(second, actor=ANN, override="in a hurry")
    verdict = judge(third)
    assert verdict.against_id == second.pk
    stale.refresh_from_db()
    assert "Version 2 went live meanwhile" in stale.problem
    cancelled = EvaluationRun.objects.filter(state=RunState.CANCELLED)
    assert {run.pk for run in cancelled} == {stale.live_run_id, stale.candidate_run_id}


def test_a_version_that_is_given_up_is_not_judged(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    cancel_version(version, actor=ANN)
    judge_version(version.pk)
    judge_version(0)
    assert not Judgement.objects.exists()


def test_the_database_refuses_nonsense(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    judgement = open_judgement(version)
    judgement.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        judgement.save(force_insert=True)
    for spoilt in ({"margin": 2}, {"leg_margin": -1}, {"min_questions": 0}, {"measure": "luck"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            GatePolicy.objects.create(workspace=workspace, **spoilt)


@pytest.mark.django_db(transaction=True)
def test_two_processes_give_one_verdict() -> None:
    workspace = make_workspace()
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    found: list[Verdict] = []

    def judges() -> None:
        try:
            found.append(judge(version))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=judges) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert Verdict.objects.get() == found[0] == found[1]
    assert Judgement.objects.count() == 1
    assert QuestionOutcome.objects.count() == 2 * 3 * len(TOPICS)
