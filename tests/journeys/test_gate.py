"""Workers die while they judge a candidate: one verdict all the same, and the cut-over after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat.models import EvaluationRun, Judgement, QuestionOrigin, QuestionOutcome
from chat.services.question_sets import Expectation, NewQuestion, add_question, create_question_set
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, Verdict, VersionState
from embeddings.services.moving import Actor
from embeddings.services.starting import start_version
from kb.models import Workspace
from tests.chat.candidates import TOPICS
from tests.factories import live, make_article
from tests.journeys.processes import Fleet, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.slow]

EACH = 6


def furnish(workspace: Workspace) -> int:
    """Articles and questions about them; how many questions."""
    made = create_question_set(workspace, name="Support")
    for topic in TOPICS:
        article = make_article(
            workspace, title=topic.title(), body=f"The {topic} desk answers within five days."
        )
        for number in range(EACH):
            question = NewQuestion(
                text=f"how long does the {topic} desk take for case {number}",
                expected=(Expectation(article=article),),
            )
            add_question(made, question, origin=QuestionOrigin.MANUAL)
    embed_pending(live(workspace))
    return EACH * len(TOPICS)


def more_than(asked: int) -> Callable[[], bool]:
    """Whether questions were asked since there were so many."""
    return lambda: QuestionOutcome.objects.count() > asked


def test_a_candidate_is_built_judged_and_cut_over_to_though_workers_die(
    workspace: Workspace, fleet: Fleet
) -> None:
    questions = furnish(workspace)
    fleet.beat()
    worker = fleet.worker()
    version = start_version(
        workspace, encoder="minilm@chunks", actor=Actor(name="ann"), cut_over=True
    )
    asked = QuestionOutcome.objects.all()
    for _ in range(2):
        before = asked.count()
        wait_for(more_than(before), seconds=90, what="questions are asked")
        fleet.kill(worker)
        worker = fleet.worker()
    rows = IndexVersion.objects.filter(pk=version.pk)
    wait_for(lambda: rows.get().state == VersionState.LIVE, seconds=120, what="it is live")
    verdict = Verdict.objects.get()
    assert verdict.allowed
    assert verdict.differences["fused"]["questions"] == questions
    assert Judgement.objects.get().verdict == verdict
    assert EvaluationRun.objects.count() == 2
    assert asked.count() == 2 * questions
    event = rows.get().events.latest_first()[0]
    assert (event.move, event.actor, event.details["verdict"]) == ("cut_over", "worker", verdict.pk)
