"""Messages that are only nudges: the rows say what is left, so losing one changes nothing."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task, current_app
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


def send_nudge(
    task: Task[..., object] | str, *arguments: object, queue: str, **options: Any
) -> None:
    """Ask some worker to run `task` (or the one of that name); without Redis a sweep does so later.

    `options` are those of Celery's `apply_async`.
    """
    name = task if isinstance(task, str) else task.name
    try:
        current_app.send_task(name, args=arguments, queue=queue, retry=False, **options)
    except (BrokerAway, RedisError, OSError) as error:
        log.warning("nudge_not_sent", task=name, arguments=arguments, error=str(error))
