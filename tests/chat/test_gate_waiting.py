"""What a judging waits for, and who goes on with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from chat.evaluation import tasks
from chat.evaluation.gate import advance
from chat.evaluation.gate_acting import versions_to_work_on, why_over
from chat.evaluation.gate_opening import open_judgement
from chat.evaluation.tasks import judge_version, sweep_evaluations, sweep_gate
from chat.models import EvaluationRun, Judgement
from chat.retrieval.pipeline import retrieve
from chat.services.evaluations import cancel_run
from embeddings.errors import GateRefused, TextTooLong
from embeddings.models import IndexVersion, Verdict
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.watching.verdicts import wait_for_cut_over
from embeddings.watching.waits import FOR_A_PERSON, WaitKind
from kb.models import Workspace
from tests.chat.candidates import ANN, CANDIDATES, furnish, label, ready
from tests.chat.test_gate_work import Sent, sent
from tests.factories import live

__all__ = ["sent"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def encoders(hash_encoder: None, settings: Settings) -> None:  # noqa: ARG001 - comes first
    settings.ENCODERS = CANDIDATES


def test_what_nobody_goes_on_with_waits_for_a_person(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin", cut_over=True)
    against = live(workspace)
    judgement = open_judgement(version)
    assert why_over(version, against) == ""
    assert judgement.candidate_run
    cancel_run(judgement.candidate_run)
    judge_version(version.pk)
    wait = wait_for_cut_over(version)
    assert wait.kind == WaitKind.NOT_JUDGED
    assert wait.kind in FOR_A_PERSON
    assert f"Run {judgement.candidate_run.pk} was cancelled." in wait.text
    with pytest.raises(GateRefused, match=r"ended without a verdict \(Run \d+ was cancelled"):
        cut_over(version, actor=ANN, patience=0)
    open_judgement(version)  # as a person asks for it
    assert wait_for_cut_over(version).kind == WaitKind.VERDICT
    judge_version(version.pk)
    assert live(workspace).pk == version.pk


def test_a_failed_run_waits_for_its_time_only(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    judgement = open_judgement(version)
    assert judgement.live_run
    judgement.live_run.settings = {"articles": 0}
    judgement.live_run.save()
    judge_version(version.pk)
    assert wait_for_cut_over(version).kind == WaitKind.VERDICT


def test_another_live_version_meanwhile_does_not_end_it_for_good(workspace: Workspace) -> None:
    furnish(workspace)
    second, third = ready(workspace, "twin"), ready(workspace, "hash-wide")
    first = live(workspace)
    open_judgement(third)
    cut_over(second, actor=ANN, override="in a hurry")
    open_judgement(third)
    roll_back(workspace, actor=ANN)
    assert why_over(third, first) == ""
    assert third.pk in versions_to_work_on()


def test_a_sweep_adds_no_second_chain_of_messages(
    workspace: Workspace, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TASK_SECONDS", 0)
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    judge_version(version.pk)
    assert sent == [("chat.judge_version", (version.pk,))]
    assert (sweep_gate(), sweep_evaluations()) == (0, 0)
    Judgement.objects.update(worked_at=timezone.now() - timedelta(minutes=4))  # it was lost
    assert sweep_gate() == 1
    assert sent[1:] == [("chat.judge_version for a minute", (version.pk,))]


def test_a_standby_version_that_somebody_had_judged_is_gone_on_with(workspace: Workspace) -> None:
    furnish(workspace)
    version = ready(workspace, "twin")
    cut_over(version, actor=ANN, override="in a hurry")
    roll_back(workspace, actor=ANN)
    assert sweep_gate() == 0
    open_judgement(version)
    assert versions_to_work_on() == [version.pk]
    judge_version(version.pk)
    assert versions_to_work_on() == []
    assert Verdict.objects.get().allowed


def test_a_question_that_is_too_long_for_one_version_is_not_found_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(workspace, furnish(workspace))
    version = ready(workspace, "twin")
    asks = retrieve

    def refuses(text: str, *, version: IndexVersion, **options: Any) -> Any:
        if version.number == 2 and "refund" in text:
            raise TextTooLong("The question has 43 tokens; this model reads 32.")
        return asks(text, version=version, **options)

    monkeypatch.setattr("chat.evaluation.run.retrieve", refuses)
    judge_version(version.pk)
    verdict = Verdict.objects.get()
    assert not verdict.allowed
    assert set(EvaluationRun.objects.values_list("state", flat=True)) == {"done"}
    assert {each["text"] for each in verdict.worst} == {
        "where is the refund desk", "who helps with my refund", "refund desk open when",
    }  # fmt: skip
    assert verdict.worst[0]["candidate_rank"] is None
    assert verdict.worst[0]["candidate"] == 0
    assert verdict.worst[0]["legs"]["passage"]["candidate"] == 0


def test_an_encoder_that_cannot_be_used_is_told_on_the_version(
    workspace: Workspace, settings: Settings
) -> None:
    furnish(workspace)
    version = ready(workspace, "twin", cut_over=True)
    advance(open_judgement(version), seconds=60)
    settings.ENCODERS = {name: given for name, given in CANDIDATES.items() if name != "twin"}
    judge_version(version.pk)
    version.refresh_from_db()
    assert "'twin'" in version.problem
    assert live(workspace).number == 1
