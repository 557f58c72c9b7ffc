"""Celery tasks of evaluation runs. A message is a nudge: the rows say what is left.

Those of a sweep expire when the next one comes: a queue that is behind does not fill up.
"""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from chat.evaluation.continuing import continue_run
from chat.evaluation.gate_acting import versions_to_work_on, work_on
from chat.models import EvaluationRun
from embeddings.models import IndexVersion
from kb.nudging import send_nudge

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
    """Each minute: runs that nobody works on are nudged; returns how many. Those of the gate
    are gone on with by who judges."""
    alone = EvaluationRun.objects.left_alone(timezone.now()).exclude(options__has_key="gate")
    left = alone.values_list("pk", flat=True)
    for run_id in left:
        send_nudge(run_evaluation, run_id, queue="bulk", expires=settings.SWEEP_SECONDS)
    return len(left)


def nudge_judging(version_id: int) -> None:
    """Ask some worker to judge a version; without Redis the sweep does so later."""
    send_nudge(judge_version, version_id, queue="bulk")


@shared_task(name="chat.judge_version")
def judge_version(version_id: int) -> None:
    """Judge a candidate for a while, and cut over where that was asked for; more is another
    message."""
    version = IndexVersion.objects.filter(pk=version_id).select_related("workspace").first()
    if version and not work_on(version, seconds=TASK_SECONDS):
        nudge_judging(version_id)


@shared_task(name="chat.sweep_gate")
def sweep_gate() -> int:
    """Each minute: versions that wait for a verdict or a cut-over are nudged; how many."""
    waiting = versions_to_work_on()
    for version_id in waiting:
        send_nudge(judge_version, version_id, queue="bulk", expires=settings.SWEEP_SECONDS)
    return len(waiting)
