"""Signs of life of the workers, kept as rows since a busy worker does not answer pings."""

from __future__ import annotations

from django.db import models


class WorkerHeartbeat(models.Model):
    """Last time a worker process was seen, and at what."""

    worker = models.CharField(max_length=200, primary_key=True)
    seen_at = models.DateTimeField(db_index=True)
    activity = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.worker}, seen {self.seen_at:%H:%M:%S}"
