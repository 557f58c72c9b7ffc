"""Sending what the outbox holds: claimed by lease, sent outside any transaction, written down."""

from __future__ import annotations

import json
import random
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from kb.errors import OutboundFailed, OutboundRefused
from kb.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from kb.outbound import Answer, send
from kb.services.webhooks import give_up_pending
from kb.sessions import alone_with
from kb.signing import sign

log = structlog.get_logger(__name__)

# 10 s, 30 s, 90 s … at most 6 h between attempts: a day in all.
MAX_ATTEMPTS = 11
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=6)
LONGEST_ASKED = timedelta(days=1)
# Others that wait for the same endpoint are held back for so long at most.
LONGEST_REST = timedelta(minutes=5)
# Who takes longer than this rests for so many times as long: a fifth of the time is the most
# that one slow endpoint has of those who deliver.
SLOW, SLOW_RESTS = timedelta(seconds=2), 4
DELIVER_LOCK = 4_715_411  # pg_advisory_lock: one process at a time sends
LEASE = timedelta(minutes=2)  # longer than a request can take
MAX_ANSWER_BYTES, SHOWN_CHARACTERS = 4_096, 300
KEPT = timedelta(days=30)
GONE = 410
BUSY = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended: `problem` is empty if it was taken; `wait` what was asked for.
    `away`: not this event but the endpoint as a whole has the problem. `took`: until it ended."""

    status: int | None = None
    problem: str = ""
    wait: timedelta = timedelta(0)
    away: bool = False
    took: timedelta = timedelta(0)


def deliver_due(*, seconds: float = 20.0) -> int:
    """Try what is due, one after the other, for so long; returns how many attempts were made.

    One process at a time does: however slow the endpoints are, they hold one thread of the
    workers. The others return at once; what they came for is looked for again at the end.
    """
    deadline = time.monotonic() + seconds
    attempts = 0
    while time.monotonic() < deadline and WebhookDelivery.objects.due().exists():
        with alone_with(DELIVER_LOCK) as alone:
            if not alone:
                break
            attempts += _deliver_until(deadline)
    return attempts


def _deliver_until(deadline: float) -> int:
    attempts = 0
    while time.monotonic() < deadline and (delivery := claim_delivery()):
        record_outcome(delivery, attempt(delivery))
        attempts += 1
    return attempts


def claim_delivery() -> WebhookDelivery | None:
    """One that is due, ours until its lease ends; who dies with it leaves it to the next."""
    with transaction.atomic():
        due = WebhookDelivery.objects.due().select_related("endpoint")
        delivery = due.select_for_update(skip_locked=True, of=("self",)).first()
        if delivery is None:
            return None
        delivery.lease, delivery.lease_until = uuid.uuid4(), timezone.now() + LEASE
        delivery.attempts += 1
        delivery.save(update_fields=["lease", "lease_until", "attempts"])
    return delivery


def attempt(delivery: WebhookDelivery) -> Outcome:
    """One signed request."""
    began = time.monotonic()
    outcome = _request(delivery)
    return replace(outcome, took=timedelta(seconds=time.monotonic() - began))


def _request(delivery: WebhookDelivery) -> Outcome:
    endpoint, body = delivery.endpoint, body_of(delivery)
    headers = sign(
        endpoint.secret, message_id=str(delivery.event_id), timestamp=int(time.time()), body=body
    )
    try:
        answer = send(
            "POST",
            endpoint.url,
            headers={"Content-Type": "application/json", "User-Agent": "Unabridged", **headers},
            content=body,
            seconds=settings.WEBHOOK_SECONDS,
            max_bytes=MAX_ANSWER_BYTES,
            allow_private=settings.WEBHOOK_ALLOW_PRIVATE,
        )
    except (OutboundFailed, OutboundRefused) as error:
        return Outcome(problem=str(error), away=True)
    return judge(answer)


def body_of(delivery: WebhookDelivery) -> bytes:
    """As the specification proposes: what, when, and the details."""
    return json.dumps(
        {
            "type": delivery.event,
            "timestamp": delivery.created_at.isoformat(),
            "data": delivery.payload,
        },
        ensure_ascii=False,
    ).encode()


def judge(answer: Answer) -> Outcome:
    """2xx is taken, anything else is not; a redirect is not followed."""
    if 200 <= answer.status < 300:
        return Outcome(status=answer.status)
    said = answer.content.decode(errors="replace").replace("\0", "").strip()[:SHOWN_CHARACTERS]
    hint = " (redirects are not followed: give the new address)" if answer.status < 400 else ""
    return Outcome(
        status=answer.status,
        problem=f"It answered {answer.status}{hint}{': ' if said else '.'}{said}",
        wait=asked_wait(answer.headers.get("retry-after", "")),
        away=answer.status == BUSY or answer.status >= 500,
    )


def asked_wait(header: str) -> timedelta:
    """`Retry-After` in seconds or as a date (RFC 9110, 10.2.3); zero for none or nonsense."""
    try:
        if header.isascii() and header.isdigit():
            wait = timedelta(seconds=int(header))
        else:
            at = parsedate_to_datetime(header)
            wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - timezone.now()
    except (ValueError, OverflowError):
        return timedelta(0)
    return min(max(wait, timedelta(0)), LONGEST_ASKED)


def record_outcome(delivery: WebhookDelivery, outcome: Outcome) -> None:
    """Write the attempt down, if the delivery is still ours; say when the next one is."""
    now = timezone.now()
    delivery.last_status, delivery.last_error = outcome.status, outcome.problem
    if not outcome.problem:
        delivery.state, delivery.delivered_at = DeliveryState.DELIVERED, now
    elif outcome.status == GONE or delivery.attempts >= MAX_ATTEMPTS:
        delivery.state = DeliveryState.FAILED
    else:
        delivery.due_at = now + max(pause_after(delivery.attempts), outcome.wait)
    with transaction.atomic():
        if not _release(delivery):
            return
        _tell_endpoint(delivery, outcome, now)
    log.info("webhook_attempted", delivery=delivery.pk, status=outcome.status, state=delivery.state)


def pause_after(attempts: int) -> timedelta:
    """Three times as long each time, give or take a fifth, so that not all come back at once."""
    pause = min(FIRST_PAUSE * int(3 ** (attempts - 1)), LONGEST_PAUSE)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def forget_old_deliveries() -> int:
    """Delete those that were settled and are a month old; how many."""
    old = WebhookDelivery.objects.filter(created_at__lt=timezone.now() - KEPT)
    return old.exclude(state=DeliveryState.PENDING).delete()[0]


def _release(delivery: WebhookDelivery) -> int:
    mine = WebhookDelivery.objects.pending().filter(pk=delivery.pk, lease=delivery.lease)
    return mine.update(
        state=delivery.state,
        due_at=delivery.due_at,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        delivered_at=delivery.delivered_at,
        lease=None,
        lease_until=None,
    )


def _tell_endpoint(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    """Who answers 410 wants no more; who is away, asks for a pause, or takes long is left alone
    a while, so that others have their turn."""
    endpoint = WebhookEndpoint.objects.filter(pk=delivery.endpoint_id)
    if outcome.status == GONE:
        endpoint.update(active=False)
        give_up_pending(delivery.endpoint, reason="The endpoint answered 410: it wants no more.")
    elif outcome.away:
        endpoint.update(resting_until=min(delivery.due_at, now + max(LONGEST_REST, outcome.wait)))
    elif outcome.took > SLOW:
        endpoint.update(resting_until=now + SLOW_RESTS * outcome.took)
    elif not outcome.problem:
        endpoint.filter(resting_until__isnull=False).update(resting_until=None)
