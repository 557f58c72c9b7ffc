"""The Celery app: Redis is transport only, every job reads the rows for what is left."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("unabridged")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["kb", "embeddings", "chat", "chat.evaluation"])


@worker_init.connect
def give_way(**_: Any) -> None:
    """Workers stand back for the web processes of the same machine: questions go first."""
    from django.conf import settings

    os.nice(settings.WORKER_NICE)
