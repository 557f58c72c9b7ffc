"""Webhooks: where a workspace's events are sent, and each sending."""

from __future__ import annotations

import uuid
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from kb.models.workspace import Workspace

EVERY_EVENT = "*"


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    """Reads, named as the question."""

    def listening(self, workspace_id: int, event: str) -> Self:
        """Those of a workspace that are told of an event."""
        return self.filter(
            workspace_id=workspace_id, active=True, events__overlap=[event, EVERY_EVENT]
        )


class WebhookEndpoint(models.Model):
    """An address of somebody's server.

    `secret` signs what is sent there, so it is stored as it is; it is shown once, when the
    endpoint is made. After a failed attempt nothing is sent there before `resting_until`, so
    that a server that is away holds no worker up.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="webhook_endpoints"
    )
    url = models.CharField(max_length=2000)
    secret = models.CharField(max_length=120, editable=False)
    events = ArrayField(models.CharField(max_length=64))
    active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False,
        related_name="+",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    resting_until = models.DateTimeField(null=True, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["workspace", "pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(events=[]), name="webhook_endpoint_hears_something")
        ]

    def __str__(self) -> str:
        return self.url


class DeliveryState(models.TextChoices):
    """Where a delivery is; pending ones are tried until they are one of the others."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    """Reads, named as the question."""

    def pending(self) -> Self:
        """Neither delivered nor given up."""
        return self.filter(state=DeliveryState.PENDING)

    def due(self) -> Self:
        """To be tried now, and in nobody's hands; the one that waits longest first."""
        now = timezone.now()
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
        awake = Q(endpoint__resting_until__isnull=True) | Q(endpoint__resting_until__lte=now)
        return (
            self.pending()
            .filter(free, awake, due_at__lte=now, endpoint__active=True)
            .order_by("due_at", "pk")
        )


class WebhookDelivery(models.Model):
    """One event for one endpoint: written in the transaction in which the event happened.

    `event_id` is the receiver's key against doubles, the same at every attempt.
    """

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    event_id = models.UUIDField(default=uuid.uuid4)
    event = models.CharField(max_length=64)
    payload = models.JSONField()
    state = models.CharField(
        max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "event_id"], name="webhook_event_once_per_endpoint"
            ),
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="webhook_delivery_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="webhook_delivery_due", condition=Q(state="pending")
            ),
            models.Index(fields=["created_at"], name="webhook_delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint_id}, {self.state}"
