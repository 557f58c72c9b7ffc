"""Messages that are only nudges: the rows say what is left, so losing one changes nothing."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


def send_nudge(task: Task[..., object], *arguments: object, queue: str, **options: Any) -> None:
    """Ask some worker to run `task`; without Redis a sweep does so later.

    `options` are those of Celery's `apply_async`.
    """
    try:
        task.apply_async(args=arguments, queue=queue, retry=False, **options)
    except (BrokerAway, RedisError, OSError) as error:
        log.warning("nudge_not_sent", task=task.name, arguments=arguments, error=str(error))
