"""Evaluation runs of a workspace's own questions: started, cancelled."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from chat.evaluation.recording import open_run
from chat.evaluation.sources import set_questions
from chat.evaluation.tasks import nudge_run
from chat.models import EvaluationRun, QuestionSet, RunState
from chat.retrieval.settings import load_profile
from embeddings.live import live_version
from embeddings.models import IndexVersion
from kb.errors import Conflict, InvalidInput, NotFound


def start_run(
    question_set: QuestionSet,
    *,
    profile: str | None = None,
    version: IndexVersion | None = None,
    answers: bool = False,
) -> EvaluationRun:
    """A run that a worker takes up right away, or the sweep within a minute.

    `profile` None is the workspace's default, `version` None the live one; `answers` judges
    answers and abstentions too, and asks the unanswerable questions. Raises InvalidInput for
    a set without questions, NotFound for a profile or version of another workspace,
    NoLiveIndex.
    """
    workspace = question_set.workspace
    chosen = version or live_version(workspace)
    if chosen.workspace_id != workspace.pk:
        raise NotFound("This workspace has no such index version.")
    questions, lost = set_questions(question_set, unanswerable=answers)
    if not questions:
        raise InvalidInput("This set has no question that can be asked; add or import some.")
    with transaction.atomic():
        run = open_run(
            workspace,
            dataset=question_set.slug,
            profile=load_profile(workspace, profile),
            version=chosen,
            question_set=question_set,
            options={"answers": answers, "lost_quotes": lost},
        )
        EvaluationRun.objects.filter(pk=run.pk).update(total=len(questions))
        transaction.on_commit(lambda: nudge_run(run.pk))
    return run


def cancel_run(run: EvaluationRun) -> None:
    """Whoever works on it stops at its next few questions. Raises Conflict if it is over."""
    running = EvaluationRun.objects.filter(pk=run.pk, state=RunState.RUNNING)
    if not running.update(
        state=RunState.CANCELLED, finished_at=timezone.now(), lease=None, lease_until=None
    ):
        raise Conflict("This run is over already.")
