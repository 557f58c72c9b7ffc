"""Index versions: a workspace's articles as seen by one encoder and strategy."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from kb.models import Workspace


class VersionState(models.TextChoices):
    """Where a version is in its life."""

    BUILDING = "building", "Building"
    READY = "ready", "Ready"
    LIVE = "live", "Live"
    STANDBY = "standby", "Standby"
    RETIRED = "retired", "Retired"


# Versions that receive every newly published revision.
ACTIVE_STATES = (
    VersionState.BUILDING,
    VersionState.READY,
    VersionState.LIVE,
    VersionState.STANDBY,
)


class Strategy(models.TextChoices):
    """How an article becomes vectors."""

    WHOLE_LATE = "whole_late", "Whole article, late-chunked passages"
    WHOLE = "whole", "Whole article"
    WINDOWS = "windows", "Windows (short-context models)"
    CHUNKS = "chunks", "Chunks (baseline)"


class IndexVersionQuerySet(models.QuerySet["IndexVersion"]):
    """Reads, named as the question."""

    def live(self) -> Self:
        """The version that answers questions."""
        return self.filter(state=VersionState.LIVE)

    def active(self) -> Self:
        """Versions that receive new revisions."""
        return self.filter(state__in=ACTIVE_STATES)


class IndexVersion(models.Model):
    """One encoder's view of one workspace.

    `encoder` is the alias in `settings.ENCODERS`; `fingerprint` is what that alias meant
    when the version was made, so that a changed option never mixes two spaces.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="index_versions"
    )
    number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=16, choices=VersionState.choices, default=VersionState.BUILDING
    )
    encoder = models.CharField(max_length=63)
    fingerprint = models.CharField(max_length=300)
    dimension = models.PositiveIntegerField()
    strategy = models.CharField(max_length=16, choices=Strategy.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    live_since = models.DateTimeField(null=True, blank=True)

    objects = IndexVersionQuerySet.as_manager()

    class Meta:
        ordering = ["workspace", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "number"], name="index_version_number_unique"
            ),
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(state="live"), name="one_live_index_version"
            ),
            models.CheckConstraint(
                condition=Q(state__in=VersionState.values), name="index_version_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.number} ({self.encoder}, {self.state})"
