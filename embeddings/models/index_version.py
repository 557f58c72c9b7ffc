"""Index versions: a workspace's articles as seen by one encoder and strategy."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from embeddings.lifecycle import RECEIVING, VersionState
from kb.models import Workspace


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

    def live_in(self, workspace_id: int) -> IndexVersion | None:
        """The one that answers a workspace's questions; None where it has no index yet."""
        return self.live().filter(workspace=workspace_id).first()

    def active(self) -> Self:
        """Versions that receive new revisions."""
        return self.filter(state__in=RECEIVING)

    def standing_by(self) -> Self:
        """Those that can be rolled back to, the one that was live last first."""
        return self.filter(state=VersionState.STANDBY).order_by("-live_until", "-pk")


class IndexVersion(models.Model):
    """One encoder's view of one workspace.

    `encoder` is the alias in `settings.ENCODERS`; `fingerprint` is what that alias meant
    when the version was made, so that a changed option never mixes two spaces. `state` is
    written by `embeddings.services.moving` alone.

    Bulk work is slowed down to `tokens_per_second` (None: as fast as it goes) and kept to the
    hours from `night_from` to `night_until` (local time of the server's TIME_ZONE, past
    midnight if they are so); what people publish meanwhile is not. `bulk_free_at` is when the
    limit lets the next batch begin. `recall` is what the probe of its HNSW index found (None:
    it is compared exactly). `cut_over_when_ready`: no person is waited for, but the gate is.
    `shadow_share` of the live questions is asked of it too.
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
    state_since = models.DateTimeField(default=timezone.now)
    live_since = models.DateTimeField(null=True, blank=True)
    live_until = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True)
    tokens_per_second = models.PositiveIntegerField(null=True, blank=True)
    night_from = models.TimeField(null=True, blank=True)
    night_until = models.TimeField(null=True, blank=True)
    bulk_free_at = models.DateTimeField(null=True, blank=True)
    derived_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    recall = models.FloatField(null=True, blank=True)
    cut_over_when_ready = models.BooleanField(default=False)
    shadow_share = models.FloatField(default=0.0)
    estimate = models.JSONField(default=dict, blank=True)

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
            models.CheckConstraint(
                condition=Q(shadow_share__gte=0, shadow_share__lte=1),
                name="index_version_shadow_share_is_one",
            ),
            models.CheckConstraint(
                condition=Q(night_from__isnull=True, night_until__isnull=True)
                | Q(night_from__isnull=False, night_until__isnull=False),
                name="index_version_night_has_two_ends",
            ),
            models.CheckConstraint(
                condition=Q(tokens_per_second__isnull=True) | Q(tokens_per_second__gt=0),
                name="index_version_speed_limit_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.number} ({self.encoder}, {self.state})"

    @property
    def warm_as(self) -> str:
        """What a process calls its encoder when it is warm: encoders are made by alias, and two
        aliases may mean the same vectors."""
        return f"{self.encoder} {self.fingerprint}"
