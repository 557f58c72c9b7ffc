"""Traces past their time, deleted in batches."""

from __future__ import annotations

import uuid
from datetime import timedelta

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from chat.models import Trace
from chat.models.trace_policy import DEFAULT_KEEP_DAYS, TracePolicy
from kb.models import Workspace

log = structlog.get_logger(__name__)

BATCH = 1000


def delete_expired_traces() -> int:
    """How many traces of all workspaces were past their policy's days and are gone.

    Each batch is a transaction of its own, so that a long arrears holds no locks. Messages
    and replays that point at a trace stay, without it.
    """
    own = dict(TracePolicy.objects.values_list("workspace_id", "keep_days"))
    deleted = 0
    for workspace_id in Workspace.objects.values_list("pk", flat=True):
        days = own.get(workspace_id, DEFAULT_KEEP_DAYS)
        if days:
            deleted += _delete_older(workspace_id, days)
    return deleted


def _delete_older(workspace_id: int, days: int) -> int:
    before = timezone.now() - timedelta(days=days)
    expired = Trace.objects.filter(workspace_id=workspace_id, created_at__lt=before)
    deleted = 0
    while batch := _batch(expired):
        Trace.objects.filter(pk__in=batch).delete()
        deleted += len(batch)
    if deleted:
        log.info("traces_deleted", workspace=workspace_id, older_than_days=days, count=deleted)
    return deleted


def _batch(expired: QuerySet[Trace]) -> list[uuid.UUID]:
    return list(expired.order_by("created_at").values_list("pk", flat=True)[:BATCH])
