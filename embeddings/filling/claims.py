"""Claiming entries under a lease, keeping the lease, and giving entries back.

`SELECT … FOR UPDATE SKIP LOCKED`: any number of workers claim side by side without waiting
for each other. A worker that dies leaves its entries to whoever comes after the lease.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Length
from django.utils import timezone

from embeddings.lifecycle import RECEIVING
from embeddings.models import EntryState, IndexEntry, IndexVersion
from embeddings.services.entries import RETRY_PARKED_AFTER

log = structlog.get_logger(__name__)

CLAIM_ARTICLES = 32
CLAIM_CHARACTERS = 40_000  # about 10,000 tokens: a second or three of work on CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Entries that this worker may embed while it holds `lease`."""

    lease: uuid.UUID
    entries: tuple[IndexEntry, ...]


def claim_entries(
    version: IndexVersion, *, worker: str, bulk: bool = True, characters: int = CLAIM_CHARACTERS
) -> Claim | None:
    """Take the next entries, people's edits before bulk work (without `bulk`: only those),
    oldest first; None if none wait or the version takes no vectors now.

    An entry that was tried before is claimed alone, so that an article which kills its worker
    does not take others with it; after EMBED_MAX_ATTEMPTS it is parked instead.
    """
    entries = IndexEntry.objects.filter(
        index_version=version, index_version__state__in=RECEIVING
    ).waiting()
    with transaction.atomic():
        waiting = list(
            (entries if bulk else entries.filter(bulk=False))
            .current()
            .annotate(characters=Length("revision__body"))
            .order_by("bulk", "queued_at", "pk")
            .select_for_update(skip_locked=True, of=("self",))[:CLAIM_ARTICLES]
        )
        exhausted = [e for e in waiting if e.attempts >= settings.EMBED_MAX_ATTEMPTS]
        park(exhausted, reason="The worker died each time it embedded this article.")
        left = [entry for entry in waiting if entry not in exhausted]
        chosen = _choose(left, most=characters)
        if not chosen:
            return None
        return _lease(chosen, worker=worker)


def _choose(waiting: Sequence[IndexEntry], *, most: int) -> list[IndexEntry]:
    chosen: list[IndexEntry] = []
    characters = 0
    for entry in waiting:
        characters += entry.characters  # type: ignore[attr-defined]  # annotated above
        if chosen and (entry.attempts or characters > most):
            break
        chosen.append(entry)
        if entry.attempts:
            break
    return chosen


def _lease(chosen: Sequence[IndexEntry], *, worker: str) -> Claim:
    lease = uuid.uuid4()
    until = timezone.now() + timedelta(seconds=settings.EMBED_LEASE_SECONDS)
    for entry in chosen:
        entry.state, entry.lease, entry.lease_until = EntryState.EMBEDDING, lease, until
        entry.worker, entry.attempts = worker, entry.attempts + 1
    IndexEntry.objects.bulk_update(chosen, ["state", "lease", "lease_until", "worker", "attempts"])
    entries = IndexEntry.objects.select_related("revision").filter(lease=lease).order_by("pk")
    return Claim(lease=lease, entries=tuple(entries))


@contextmanager
def keep_lease(claim: Claim) -> Iterator[None]:
    """Renew the lease from a thread of its own for as long as the block runs."""
    stop = Event()
    thread = Thread(target=_renew, args=(claim.lease, stop), name="keep-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _renew(lease: uuid.UUID, stop: Event) -> None:
    span = settings.EMBED_LEASE_SECONDS
    while not stop.wait(span / 3):
        try:
            until = timezone.now() + timedelta(seconds=span)
            IndexEntry.objects.filter(lease=lease).update(lease_until=until)
        except DatabaseError as error:
            # The lease may run out; then the fence refuses our vectors and others redo them.
            log.warning("lease_not_renewed", error=str(error))
            connection.close()
    connection.close()


def release(claim: Claim, *, reason: str, delay: timedelta) -> None:
    """Give entries back without counting the attempt (the encoder was away)."""
    keys = [entry.pk for entry in claim.entries]
    entries = IndexEntry.objects.filter(pk__in=keys, lease=claim.lease, state=EntryState.EMBEDDING)
    for entry in entries:
        entry.attempts = max(0, entry.attempts - 1)
        entry.state, entry.lease, entry.lease_until = EntryState.PENDING, None, None
        entry.reason, entry.due_at = reason, timezone.now() + delay
    IndexEntry.objects.bulk_update(
        entries, ["attempts", "state", "lease", "lease_until", "reason", "due_at"]
    )


def fail(entry: IndexEntry, *, reason: str, final: bool = False) -> None:
    """Record a failed attempt: due again after a pause, or parked (final, or too many)."""
    if final or entry.attempts >= settings.EMBED_MAX_ATTEMPTS:
        park([entry], reason=reason)
        return
    IndexEntry.objects.filter(pk=entry.pk, lease=entry.lease).update(
        state=EntryState.PENDING,
        lease=None,
        lease_until=None,
        reason=reason,
        due_at=timezone.now() + timedelta(seconds=5 * 2**entry.attempts),
    )


def park(entries: Sequence[IndexEntry], *, reason: str) -> None:
    """Set entries aside with the reason; the sweep tries again after a rest, or a person does."""
    for entry in entries:
        log.error("article_parked", revision=entry.revision_id, reason=reason)
        IndexEntry.objects.filter(pk=entry.pk, lease=entry.lease).update(
            state=EntryState.PARKED,
            lease=None,
            lease_until=None,
            reason=reason,
            due_at=timezone.now() + RETRY_PARKED_AFTER,
        )
