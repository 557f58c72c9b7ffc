"""What happened to an index version: who, when, why."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models

from embeddings.lifecycle import Move, VersionState
from embeddings.models.index_version import IndexVersion


class VersionEventQuerySet(models.QuerySet["VersionEvent"]):
    """Reads, named as the question."""

    def latest_first(self) -> Self:
        """For people."""
        return self.order_by("-pk")


class VersionEvent(models.Model):
    """One move of one version. `actor` names who did it (a person, a command, a worker);
    `details` hold what was waived, overridden or measured. Never changed, never deleted."""

    version = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="events")
    move = models.CharField(max_length=16, choices=Move.choices)
    from_state = models.CharField(max_length=16, choices=VersionState.choices, blank=True)
    to_state = models.CharField(max_length=16, choices=VersionState.choices)
    actor = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = VersionEventQuerySet.as_manager()

    class Meta:
        ordering = ["version", "pk"]

    def __str__(self) -> str:
        return f"{self.get_move_display()} by {self.actor}, {self.created_at:%Y-%m-%d %H:%M}"
