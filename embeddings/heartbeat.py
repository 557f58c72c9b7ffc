"""Workers say each few seconds, in a row, that they live."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Thread
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutting_down
from django.db import DatabaseError, connection
from django.utils import timezone

from embeddings.models import WorkerHeartbeat

log = structlog.get_logger(__name__)

BEAT_SECONDS = 10.0
FORGET_AFTER = timedelta(days=1)

_stop = Event()


def beat(worker: str) -> None:
    """Record that `worker` lives now."""
    WorkerHeartbeat.objects.update_or_create(worker=worker, defaults={"seen_at": timezone.now()})


def forget_silent_workers() -> None:
    """Drop the rows of workers not heard of for a day."""
    WorkerHeartbeat.objects.filter(seen_at__lt=timezone.now() - FORGET_AFTER).delete()


@worker_ready.connect
def start_heartbeat(sender: object, **_: Any) -> None:
    """Begin when a Celery worker is ready; `sender` is its consumer."""
    name = str(getattr(sender, "hostname", "worker"))
    Thread(target=_beat_until_stopped, args=(name,), name="heartbeat", daemon=True).start()


@worker_shutting_down.connect
def stop_heartbeat(**_: Any) -> None:
    """End with the worker."""
    _stop.set()


def _beat_until_stopped(worker: str) -> None:
    while True:
        try:
            beat(worker)
        except DatabaseError as error:
            log.warning("heartbeat_not_written", error=str(error))
        finally:
            connection.close()
        if _stop.wait(BEAT_SECONDS):
            return
