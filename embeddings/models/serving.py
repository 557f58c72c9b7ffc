"""Which web processes have which encoders loaded, so that a cut-over waits for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

HEARD_WITHIN = timedelta(seconds=30)


class ServingProcessQuerySet(models.QuerySet["ServingProcess"]):
    """Reads, named as the question."""

    def alive(self) -> Self:
        """Heard of a moment ago."""
        return self.filter(seen_at__gte=timezone.now() - HEARD_WITHIN)

    def cold(self, encoder: str) -> Self:
        """Alive, but without this encoder (`IndexVersion.warm_as`) in memory."""
        return self.alive().exclude(fingerprints__contains=[encoder])


class ServingProcess(models.Model):
    """A process that answers questions; `fingerprints` are those of the encoders it has warm,
    each after its alias, `problem` why one could not be loaded."""

    name = models.CharField(max_length=200, primary_key=True)
    seen_at = models.DateTimeField(db_index=True)
    fingerprints = ArrayField(models.CharField(max_length=370), default=list)
    problem = models.TextField(blank=True)

    objects = ServingProcessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "serving processes"

    def __str__(self) -> str:
        return f"{self.name}, seen {self.seen_at:%H:%M:%S}"
