"""Campaigns: one encoder for many workspaces, one after the other."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from embeddings.models.index_version import IndexVersion, Strategy
from kb.models import Workspace


class CampaignState(models.TextChoices):
    """Whether a campaign begins builds. Paused: those under way rest too; stopped: they go on."""

    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    STOPPED = "stopped", "Stopped"
    DONE = "done", "Done"


class CampaignOrder(models.TextChoices):
    """Which workspace comes first."""

    SMALLEST = "smallest", "Fewest articles first"
    LARGEST = "largest", "Most articles first"
    SLUG = "slug", "By slug"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    """Reads, named as the question."""

    def unfinished(self) -> Self:
        """With something left to do or to watch."""
        return self.exclude(state=CampaignState.DONE)


class Campaign(models.Model):
    """`concurrency` workspaces at a time are re-embedded with `encoder`; `reason` says why it
    was stopped. With `cut_over` each goes live by itself as soon as the gate lets it."""

    name = models.CharField(max_length=100, unique=True)
    encoder = models.CharField(max_length=63)
    strategy = models.CharField(max_length=16, choices=Strategy.choices, blank=True)
    concurrency = models.PositiveSmallIntegerField(default=1)
    order = models.CharField(
        max_length=16, choices=CampaignOrder.choices, default=CampaignOrder.SMALLEST
    )
    stop_on_failure = models.BooleanField(default=True)
    cut_over = models.BooleanField(default=False)
    tokens_per_second = models.PositiveIntegerField(null=True, blank=True)
    night_from = models.TimeField(null=True, blank=True)
    night_until = models.TimeField(null=True, blank=True)
    state = models.CharField(
        max_length=16, choices=CampaignState.choices, default=CampaignState.RUNNING
    )
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=CampaignState.values), name="campaign_state_known"
            ),
            models.CheckConstraint(
                condition=Q(concurrency__gte=1), name="campaign_concurrency_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_state_display().lower()})"


class Step(models.TextChoices):
    """How far one workspace of a campaign is."""

    WAITING = "waiting", "Waiting"
    BUILDING = "building", "Building"
    JUDGING = "judging", "Judging"
    READY = "ready", "Ready"
    LIVE = "live", "Live"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"


# They take a place of the campaign's concurrency.
GOING = (Step.BUILDING, Step.JUDGING)


class CampaignWorkspaceQuerySet(models.QuerySet["CampaignWorkspace"]):
    """Reads, named as the question."""

    def going(self) -> Self:
        """Begun and not ended."""
        return self.filter(state__in=GOING)

    def waiting(self) -> Self:
        """Not begun, the next first."""
        return self.filter(state=Step.WAITING).order_by("position")

    def failed(self) -> Self:
        """Failed, and nobody has gone on past it."""
        return self.filter(state=Step.FAILED, passed_over=False)


class CampaignWorkspace(models.Model):
    """One workspace's turn. `passed_over`: it failed, and somebody let the campaign go on."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="turns")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()
    version = models.ForeignKey(
        IndexVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=16, choices=Step.choices, default=Step.WAITING)
    reason = models.TextField(blank=True)
    passed_over = models.BooleanField(default=False)

    objects = CampaignWorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["campaign", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "workspace"], name="campaign_workspace_once"
            ),
            models.UniqueConstraint(fields=["campaign", "position"], name="campaign_position_once"),
            models.CheckConstraint(
                condition=Q(state__in=Step.values), name="campaign_workspace_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workspace}: {self.get_state_display().lower()}"
