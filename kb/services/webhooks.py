"""Webhook endpoints, and the outbox of events for them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from kb.errors import Conflict, InvalidInput
from kb.events import TEST_EVENT, known_events
from kb.models import DeliveryState, WebhookDelivery, WebhookEndpoint, Workspace
from kb.models.webhook import EVERY_EVENT
from kb.nudging import send_nudge
from kb.outbound import parse_url
from kb.signing import new_secret

SWITCHED_OFF = "The endpoint was switched off."


def create_endpoint(
    workspace: Workspace, *, url: str, events: Sequence[str], user: User | None = None
) -> tuple[WebhookEndpoint, str]:
    """The endpoint and its secret, which is not shown again. Raises InvalidInput."""
    secret = new_secret()
    endpoint = WebhookEndpoint.objects.create(
        workspace=workspace,
        url=_checked_url(url),
        events=_checked_events(events),
        secret=secret,
        created_by=user,
    )
    return endpoint, secret


def change_endpoint(
    endpoint: WebhookEndpoint, *, url: str, events: Sequence[str], active: bool
) -> WebhookEndpoint:
    """From the next attempt on; what waits for one that is switched off is given up.

    Raises InvalidInput.
    """
    endpoint.url, endpoint.events = _checked_url(url), _checked_events(events)
    endpoint.active, endpoint.resting_until = active, None
    with transaction.atomic():
        endpoint.save(update_fields=["url", "events", "active", "resting_until"])
        if not active:
            give_up_pending(endpoint, reason=SWITCHED_OFF)
    return endpoint


def queue_event(workspace_id: int, *, event: str, payload: dict[str, Any]) -> None:
    """Have each endpoint of the workspace that listens told of it.

    Called inside the transaction in which it happened: both are committed, or neither.
    """
    event_id = uuid.uuid4()
    deliveries = [
        WebhookDelivery(endpoint=endpoint, event_id=event_id, event=event, payload=payload)
        for endpoint in WebhookEndpoint.objects.listening(workspace_id, event)
    ]
    if deliveries:
        WebhookDelivery.objects.bulk_create(deliveries)
        transaction.on_commit(nudge_deliveries, robust=True)


def send_test_event(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """One event that says nothing happened, to this endpoint alone. Raises Conflict."""
    if not endpoint.active:
        raise Conflict("This endpoint is switched off: switch it on first.")
    payload = {"workspace": endpoint.workspace.slug, "message": "This is a test."}
    with transaction.atomic():
        delivery = WebhookDelivery.objects.create(
            endpoint=endpoint, event=TEST_EVENT, payload=payload
        )
        _wake(endpoint)
    return delivery


def retry_delivery(delivery: WebhookDelivery) -> WebhookDelivery:
    """A fresh start for one that failed, under the same id; one that waits goes at once.

    Raises Conflict for what was delivered, or cannot be.
    """
    with transaction.atomic():
        locked = WebhookDelivery.objects.select_for_update().get(pk=delivery.pk)
        if locked.state == DeliveryState.DELIVERED:
            raise Conflict("This was delivered already.")
        if not locked.endpoint.active:
            raise Conflict("Its endpoint is switched off: switch it on first.")
        if locked.state == DeliveryState.FAILED:
            locked.state, locked.attempts = DeliveryState.PENDING, 0
        locked.due_at = timezone.now()
        locked.save(update_fields=["state", "attempts", "due_at"])
        _wake(locked.endpoint)
    return locked


def give_up_pending(endpoint: WebhookEndpoint, *, reason: str) -> None:
    """What waits for an endpoint fails, with the reason."""
    endpoint.deliveries.pending().update(state=DeliveryState.FAILED, last_error=reason, lease=None)


def nudge_deliveries() -> None:
    """Ask a worker to send what is due; its own sweep does so too."""
    send_nudge("kb.deliver_webhooks", queue="bulk", expires=settings.SWEEP_SECONDS)


def _wake(endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(resting_until=None)
    transaction.on_commit(nudge_deliveries, robust=True)


def _checked_url(url: str) -> str:
    parse_url(url, allow_private=settings.WEBHOOK_ALLOW_PRIVATE)
    return url


def _checked_events(events: Sequence[str]) -> list[str]:
    known = {*known_events(), EVERY_EVENT}
    unknown = sorted(set(events) - known)
    if unknown or not events:
        raise InvalidInput(
            f"Events are {', '.join(sorted(known))}; got {unknown or 'none'}.", field="events"
        )
    return sorted(set(events))
