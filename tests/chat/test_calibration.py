"""A workspace's own confidence: fitted, used by the next answer, and taken out of use."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from chat.answering.answer import answer_question
from chat.answering.confidence import COEFFICIENTS, confidence
from chat.evaluation.continuing import continue_run
from chat.models import Calibration, QuestionOutcome, RunState
from chat.retrieval.settings import PipelineSettings
from chat.services.calibration import (
    activate_calibration,
    deactivate_calibration,
    fit_calibration,
)
from chat.services.evaluations import start_run
from chat.services.question_sets import Expectation, NewQuestion, add_question, create_question_set
from kb.access import Caller, Permission, caller_for_system
from kb.errors import Conflict, Forbidden, NotFound
from kb.models import Workspace
from tests.chat.conftest import Publish
from tests.chat.fitting import FIRST, NAMES, as_shipped, finished_run, judged_outcomes
from tests.factories import make_workspace

pytestmark = pytest.mark.django_db

QUESTION = "how long does a refund take"


def caller(workspace: Workspace, *permissions: Permission) -> Caller:
    return Caller(
        workspace=workspace, permissions=frozenset(permissions), include_internal=True, user=None
    )


def fitted(workspace: Workspace, *, seed: int = 1) -> Calibration:
    run = finished_run(workspace, judged_outcomes(120, seed=seed))
    return fit_calibration(caller_for_system(workspace), run=run)


def used(workspace: Workspace) -> tuple[str, float, dict[str, float]]:
    """Which calibration the next answer is judged by, how sure it is, and its evidence."""
    trace = answer_question(
        QUESTION, workspace=workspace, profile=PipelineSettings(abstain_below=0.0)
    ).trace
    evidence = dict(trace.detail["answer"]["evidence"])
    calibration = evidence.pop("calibration")
    assert trace.confidence is not None
    return calibration, trace.confidence, evidence


def test_a_better_fit_is_used_from_the_next_answer_on(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Refunds", body="A refund takes five days.")
    publish(title="Hours", body="We open at nine.")
    before, sure, evidence = used(workspace)
    assert before == "shipped"
    assert sure == pytest.approx(confidence(evidence), abs=1e-3)
    made = fitted(workspace)
    assert (made.active, made.reason, made.questions) == (True, "", 120)
    assert 15 < made.right < 105
    after, sure, _ = used(workspace)
    assert after == str(made.pk)
    assert sure == pytest.approx(confidence(evidence, made.coefficients), abs=1e-3)
    deactivate_calibration(caller_for_system(workspace), calibration=made)
    assert used(workspace)[0] == "shipped"
    made.refresh_from_db()
    assert made.reason == "Taken out of use by hand."
    with pytest.raises(Conflict, match="not in use"):
        deactivate_calibration(caller_for_system(workspace), calibration=made)


def test_an_answer_costs_one_query_more_than_its_shipped_confidence_would(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Refunds", body="A refund takes five days.")
    fitted(workspace)
    used(workspace)
    with CaptureQueriesContext(connection) as captured:
        used(workspace)
    asked = [each["sql"] for each in captured if "chat_calibration" in each["sql"]]
    assert len(asked) == 1


@pytest.mark.parametrize("what", ["workspace", "fingerprint", "generator", "features"])
def test_only_what_fits_is_used(workspace: Workspace, publish: Publish, what: str) -> None:
    publish(title="Refunds", body="A refund takes five days.")
    made = fitted(workspace)
    changes: dict[str, dict[str, object]] = {
        "workspace": {"workspace": make_workspace()},
        "fingerprint": {"fingerprint": "another"},
        "generator": {"generator": "another"},
        "features": {"coefficients": {**made.coefficients, "forgotten": 1.0}},
    }
    Calibration.objects.filter(pk=made.pk).update(**changes[what])
    assert used(workspace)[0] == "shipped"


def test_figures_compare_with_the_shipped_confidence_on_the_same_questions(
    workspace: Workspace,
) -> None:
    made = fitted(workspace)
    shipped, ours = made.figures["shipped"], made.figures["fitted"]
    assert (made.auroc, made.calibration_error) == (
        ours["auroc_right"], ours["calibration_error"],
    )  # fmt: skip
    assert ours["log_loss"] <= shipped["log_loss"]
    assert ours["auroc_right"] > shipped["auroc_right"]
    suggested = ours["at_5_percent_wrong"]
    assert suggested["wrong"] <= 0.05
    assert 0 < suggested["share"] < 1
    assert ours["profile"]["threshold"] == 0.25
    assert set(made.coefficients) == {"bias", *NAMES}
    assert made.coefficients[FIRST] == max(made.coefficients.values())


def test_a_worse_fit_is_kept_with_the_reason(workspace: Workspace) -> None:
    run = finished_run(workspace, judged_outcomes(60, as_shipped, seed=3))
    made = fit_calibration(caller_for_system(workspace), run=run)
    assert made.figures["fitted"]["log_loss"] > made.figures["shipped"]["log_loss"]
    assert not made.active
    assert "The shipped confidence is better" in made.reason
    activate_calibration(caller_for_system(workspace), calibration=made)
    made.refresh_from_db()
    assert (made.active, made.reason) == (True, "")


def outcomes_with(right: int, wrong: int, silent: int = 0) -> list[QuestionOutcome]:
    made = judged_outcomes(right + wrong + silent)
    for number, each in enumerate(made):
        each.right = number < right if number < right + wrong else None
        each.answerable = True
    return made


@pytest.mark.parametrize(
    ("right", "wrong", "silent", "told"),
    [
        (30, 19, 0, "49 answers, 30 right and 19 not"),
        (14, 60, 0, "74 answers, 14 right and 60 not"),
        (60, 14, 0, "74 answers, 60 right and 14 not"),
        (30, 19, 40, "49 answers, 30 right and 19 not"),
    ],
)
def test_too_few_answers_are_refused(
    workspace: Workspace, right: int, wrong: int, silent: int, told: str
) -> None:
    run = finished_run(workspace, outcomes_with(right, wrong, silent))
    with pytest.raises(Conflict, match=f"{told}.*50, of them 15 right and 15 not"):
        fit_calibration(caller_for_system(workspace), run=run)
    assert not Calibration.objects.exists()


def test_just_enough_answers_are_accepted(workspace: Workspace) -> None:
    run = finished_run(workspace, outcomes_with(35, 15))
    assert fit_calibration(caller_for_system(workspace), run=run).questions == 50


def test_runs_that_cannot_be_fitted_to(workspace: Workspace) -> None:
    ours = caller_for_system(workspace)
    foreign = finished_run(make_workspace(), judged_outcomes(60))
    with pytest.raises(NotFound):
        fit_calibration(ours, run=foreign)
    cancelled = finished_run(workspace, judged_outcomes(60), state=RunState.CANCELLED)
    with pytest.raises(Conflict, match="run that is done"):
        fit_calibration(ours, run=cancelled)
    with pytest.raises(Conflict, match="with answers"):
        fit_calibration(ours, run=finished_run(workspace, []))


def test_who_may_fit_and_who_may_put_into_use(workspace: Workspace) -> None:
    run = finished_run(workspace, judged_outcomes(120))
    with pytest.raises(Forbidden):
        fit_calibration(caller(workspace, Permission.TRACES_READ), run=run)
    judge = caller(workspace, Permission.EVALUATE)
    made = fit_calibration(judge, run=run)
    assert not made.active
    assert "operate the index" in made.reason
    for switch in (activate_calibration, deactivate_calibration):
        with pytest.raises(Forbidden):
            switch(judge, calibration=made)
        with pytest.raises(NotFound):
            switch(caller_for_system(make_workspace()), calibration=made)
    activate_calibration(caller(workspace, Permission.INDEX_OPERATE), calibration=made)
    assert Calibration.objects.get().active


def test_one_is_in_use_at_a_time(workspace: Workspace) -> None:
    first, other = fitted(workspace), fitted(make_workspace())
    second = fitted(workspace, seed=2)
    first.refresh_from_db()
    assert (first.active, second.active) == (False, True)
    assert first.reason == f"Replaced by calibration {second.pk}."
    activate_calibration(caller_for_system(workspace), calibration=first)
    second.refresh_from_db()
    other.refresh_from_db()
    assert (second.active, other.active) == (False, True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Calibration.objects.filter(pk=second.pk).update(active=True)


def test_a_calibration_outlives_its_run(workspace: Workspace) -> None:
    made = fitted(workspace)
    assert made.run
    made.run.delete()
    assert Calibration.objects.get(pk=made.pk, active=True).run_id is None


def test_answers_of_a_real_run_can_be_fitted_to(workspace: Workspace, publish: Publish) -> None:
    article = publish(title="Refunds", body="A refund takes five days.")
    publish(title="Hours", body="We open at nine.")
    asked = create_question_set(workspace, name="Support")
    place = Expectation(article=article, quote="five days")
    for number in range(30):
        right = NewQuestion(text=f"does refund {number} take five days", expected=(place,))
        for question in (right, NewQuestion(text=f"is there life on {number}", answerable=False)):
            add_question(asked, question, origin="manual")  # type: ignore[arg-type]
    run = start_run(asked, answers=True)
    assert continue_run(run.pk, seconds=600)
    run.refresh_from_db()
    made = fit_calibration(caller_for_system(workspace), run=run)
    assert (made.questions, made.active) == (60, True)
    assert set(COEFFICIENTS) <= set(made.coefficients)
    assert made.auroc > 0.95
    name, sure, _ = used(workspace)
    assert name == str(made.pk)
    assert sure > 0.5
