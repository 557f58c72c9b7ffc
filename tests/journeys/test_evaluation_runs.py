"""A worker dies amid an evaluation run: another goes on, and no question is asked twice."""

from __future__ import annotations

import pytest

from chat.models import EvaluationRun, QuestionOrigin, RunState
from chat.services.evaluations import start_run
from chat.services.question_sets import Expectation, NewQuestion, add_question, create_question_set
from embeddings.filling.loop import embed_pending
from kb.models import Workspace
from tests.factories import live, make_article
from tests.journeys.processes import Fleet, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.slow]

QUESTIONS = 120


def test_a_killed_worker_loses_and_repeats_nothing(workspace: Workspace, fleet: Fleet) -> None:
    article = make_article(workspace, title="Refunds", body="A refund takes five days.")
    embed_pending(live(workspace))
    made = create_question_set(workspace, name="Support")
    place = Expectation(article=article, quote="five days")
    for number in range(QUESTIONS):
        question = NewQuestion(text=f"how long does refund {number} take", expected=(place,))
        add_question(made, question, origin=QuestionOrigin.MANUAL)
    fleet.beat()
    worker = fleet.worker()
    run = start_run(made, answers=True)
    row = EvaluationRun.objects.filter(pk=run.pk)
    wait_for(lambda: row.get().done > 0, seconds=60, what="questions are asked")
    fleet.kill(worker)
    before = list(run.outcomes.values_list("pk", "key"))
    fleet.worker()
    wait_for(lambda: row.get().state == RunState.DONE, seconds=90, what="the run is done")
    after = list(run.outcomes.values_list("pk", "key"))
    assert 0 < len(before) < QUESTIONS
    assert after[: len(before)] == before
    assert len({key for _, key in after}) == len(after) == QUESTIONS == row.get().done
    assert row.get().measures["ndcg@10"] == 1.0
