"""Celery tasks of the knowledge base: each calls one plain function."""

from __future__ import annotations

from celery import shared_task

from kb.models import WebhookDelivery
from kb.services.delivering import deliver_due, forget_old_deliveries
from kb.services.webhooks import nudge_deliveries


@shared_task(name="kb.deliver_webhooks")
def deliver_webhooks() -> int:
    """Each minute, and after each event: what is due is sent. Lost or run twice, it is fine.

    Other work of the queue gets its turn before what is left.
    """
    attempts = deliver_due()
    if attempts and WebhookDelivery.objects.due().exists():
        nudge_deliveries()
    return attempts


@shared_task(name="kb.forget_deliveries")
def forget_deliveries() -> int:
    """Each hour: what was settled a month ago goes."""
    return forget_old_deliveries()
