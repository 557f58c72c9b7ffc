"""Celery tasks of evaluation runs. A message is a nudge: the rows say what is left."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from chat.evaluation.continuing import continue_run
from chat.models import EvaluationRun
from embeddings.nudging import send_nudge

# Other work of the queue gets its turn in between.
TASK_SECONDS = 60


def nudge_run(run_id: int) -> None:
    """Ask some worker to go on with a run; without Redis the sweep does so later."""
    send_nudge(run_evaluation, run_id, queue="bulk")


@shared_task(name="chat.run_evaluation")
def run_evaluation(run_id: int) -> None:
    """Ask for a while; more questions are another message."""
    if not continue_run(run_id, seconds=TASK_SECONDS):
        nudge_run(run_id)


@shared_task(name="chat.sweep_evaluations")
def sweep_evaluations() -> int:
    """Each minute: runs that nobody works on are nudged; returns how many."""
    left = EvaluationRun.objects.left_alone(timezone.now()).values_list("pk", flat=True)
    for run_id in left:
        nudge_run(run_id)
    return len(left)
