"""Celery tasks of the chat side: each calls one plain function."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.conf import settings

from chat.answering.curated_vectors import (
    embed_curated_questions,
    lacking_questions,
    purge_curated_vectors,
)
from chat.models import Trace
from chat.shadow.asking import ask_candidate
from chat.tracing.retention import delete_expired_traces
from embeddings.filling.loop import ENCODER_AT_FAULT
from embeddings.models import IndexVersion, VersionState
from kb.errors import DomainError
from kb.nudging import send_nudge

log = structlog.get_logger(__name__)


@shared_task(name="chat.forget_traces")
def forget_traces() -> int:
    """Each hour: traces past their workspace's days go. A round missed or run twice is fine."""
    return delete_expired_traces()


def nudge_curated(workspace_id: int) -> None:
    """Ask some worker to embed curated questions; without Redis the sweep does so later."""
    send_nudge(embed_curated, workspace_id, queue="interactive")


@shared_task(name="chat.embed_curated")
def embed_curated(workspace_id: int) -> int:
    """Embed the workspace's curated questions with each active version's encoder, the live
    one first; more work than fits the time of a task is another message."""
    active = IndexVersion.objects.active().filter(workspace_id=workspace_id)
    seen = 0
    for version in sorted(active, key=lambda each: each.state != VersionState.LIVE):
        try:
            seen += embed_curated_questions(version, seconds=settings.EMBED_TASK_SECONDS)
        except ENCODER_AT_FAULT as error:  # the sweep comes back
            log.warning("curated_encoder_unavailable", version=version.pk, error=str(error))
            continue
        if lacking_questions(version).exists():
            nudge_curated(workspace_id)
            break
    return seen


@shared_task(name="chat.sweep_curated")
def sweep_curated() -> int:
    """Each minute: curated questions that an encoder has not seen, however that came about,
    are nudged again; returns for how many workspaces."""
    purge_curated_vectors()
    active = IndexVersion.objects.active().filter(workspace__curated_answers__isnull=False)
    waiting = {
        version.workspace_id for version in active.distinct() if lacking_questions(version).exists()
    }
    for workspace_id in waiting:
        nudge_curated(workspace_id)
    return len(waiting)


@shared_task(name="chat.shadow_question")
def shadow_question(trace_id: str, version_id: int) -> bool:
    """Ask a candidate what was asked live; whether there is something to compare.

    Once only: what goes wrong is logged, and the question is let go.
    """
    trace = Trace.objects.select_related("workspace").filter(pk=trace_id).first()
    version = IndexVersion.objects.filter(pk=version_id).first()
    if trace is None or version is None:
        return False
    try:
        return ask_candidate(trace, version) is not None
    except DomainError as error:
        log.warning("shadow_failed", trace=trace_id, version=version_id, error=str(error))
        return False
