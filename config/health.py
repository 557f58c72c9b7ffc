"""Health: alive (the process), ready (the database and an index that answers)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import redis
import structlog
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from psycopg_pool import PoolTimeout

from config.env import environment
from embeddings.models import IndexEntry, IndexVersion, WorkerHeartbeat

log = structlog.get_logger(__name__)

WORKER_SILENT_SECONDS = 120
NO_INDEX = "No index is live: create a workspace (bin/manage create_workspace SLUG)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What `/health/ready` says. `degraded` still answers questions."""

    status: Literal["ready", "degraded", "unavailable"]
    database: bool
    live_indexes: int = 0
    redis: bool = False
    pending: int = 0
    parked: int = 0
    last_worker_heartbeat: datetime | None = None
    reasons: tuple[str, ...] = ()


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view
    """200 as long as the process serves requests."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view
    """200 when questions can be answered (maybe degraded), else 503."""
    readiness = check_readiness()
    body = {key: value for key, value in asdict(readiness).items() if value is not None}
    return JsonResponse(body, status=503 if readiness.status == "unavailable" else 200)


def check_readiness() -> Readiness:
    """Look at the database, the live indexes, Redis and the workers' heartbeats."""
    try:
        live_indexes = IndexVersion.objects.live().count()
        pending = IndexEntry.objects.unfinished().current().count()
        parked = IndexEntry.objects.parked().current().count()
        newest = WorkerHeartbeat.objects.order_by("-seen_at").first()
    except (DatabaseError, PoolTimeout) as error:
        log.exception("readiness_database_away", error=str(error))
        connection.close()
        reason = "The database is away."
        return Readiness(status="unavailable", database=False, reasons=(reason,))
    redis_up = _redis_answers()
    seen_at = newest.seen_at if newest else None
    reasons = tuple(_degradations(redis_up=redis_up, seen_at=seen_at))
    if not live_indexes:
        reasons = (NO_INDEX, *reasons)
    return Readiness(
        status="unavailable" if not live_indexes else "degraded" if reasons else "ready",
        database=True,
        live_indexes=live_indexes,
        redis=redis_up,
        pending=pending,
        parked=parked,
        last_worker_heartbeat=seen_at,
        reasons=reasons,
    )


def _degradations(*, redis_up: bool, seen_at: datetime | None) -> list[str]:
    reasons = []
    if not redis_up:
        reasons.append("Redis is away: saved articles wait until it is back.")
    if seen_at is None or (timezone.now() - seen_at).total_seconds() > WORKER_SILENT_SECONDS:
        reasons.append("No worker has been heard of lately: saved articles wait for one.")
    return reasons


def _redis_answers() -> bool:
    client = redis.Redis.from_url(
        environment().redis_url, socket_connect_timeout=0.5, socket_timeout=0.5, retry=None
    )
    try:
        return bool(client.ping())
    except redis.RedisError as error:
        log.warning("redis_away", error=str(error))
        return False
    finally:
        client.close()
