"""The Celery app: Redis is transport only, every job reads the rows for what is left."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("unabridged")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["embeddings", "chat", "chat.evaluation"])
