"""Handing an answered question to a worker that asks a candidate too.

The visitor has the answer by then. Nothing here waits, and nothing raises: a question that
cannot be handed over is not asked again, and nobody notices.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

import structlog

from chat.models import Trace
from chat.shadow.asking import is_comparable
from embeddings.models import IndexVersion
from embeddings.services.shadowing import SHADOWED
from kb.nudging import send_nudge

log = structlog.get_logger(__name__)

# What no worker took up by then is dropped, so that no backlog grows.
EXPIRES_SECONDS = 60
ON_THE_WAY = 100  # messages of this process; Redis may be slow to take them

_sender = ThreadPoolExecutor(1, thread_name_prefix="shadow")
_room = BoundedSemaphore(ON_THE_WAY)


def offer(trace: Trace) -> None:
    """Each candidate gets its share of such questions. One query; sent by another thread."""
    try:
        if is_comparable(trace):
            for version_id in _drawn(trace):
                _send(str(trace.pk), version_id)
    except Exception as error:  # noqa: BLE001 - the answer is given, and that is what counts
        log.warning("shadow_not_offered", trace=str(trace.pk), error=repr(error))


def _drawn(trace: Trace) -> list[int]:
    candidates = IndexVersion.objects.filter(
        workspace=trace.workspace_id, state__in=SHADOWED, shadow_share__gt=0
    )
    shares = candidates.values_list("pk", "shadow_share")
    return [pk for pk, share in shares if random.random() < share]  # noqa: S311 - a sample


def _send(trace_id: str, version_id: int) -> None:
    if not _room.acquire(blocking=False):
        log.warning("shadow_dropped", trace=trace_id, version=version_id)
        return
    _sender.submit(_hand_over, trace_id, version_id)


def _hand_over(trace_id: str, version_id: int) -> None:
    try:
        send_nudge(
            "chat.shadow_question", trace_id, version_id, queue="bulk", expires=EXPIRES_SECONDS
        )
    finally:
        _room.release()
