"""The embed loop: claim, encode outside any transaction, store, until nothing waits."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from embeddings.encoders.base import Document, Encoder
from embeddings.encoders.metering import Meter
from embeddings.errors import (
    CheckpointInvalid,
    EncoderUnavailable,
    FingerprintChanged,
    TextNotEmbeddable,
    UnknownEncoder,
)
from embeddings.filling.claims import (
    CLAIM_CHARACTERS,
    Claim,
    claim_entries,
    fail,
    keep_lease,
    release,
)
from embeddings.filling.deriving import derive_vectors
from embeddings.filling.pacing import batch_characters, bulk_wait, charge
from embeddings.filling.store import store_vectors
from embeddings.lifecycle import RECEIVING
from embeddings.live import encoder_of
from embeddings.models import IndexEntry, IndexVersion
from embeddings.services.entries import ensure_entries, versions_with_edits
from embeddings.spending import spending

log = structlog.get_logger(__name__)

# No article is to blame: nothing is parked, and all go on once the encoder is mended.
ENCODER_AT_FAULT = (EncoderUnavailable, CheckpointInvalid, FingerprintChanged, UnknownEncoder)
DATABASE_AWAY = (OperationalError, InterfaceError)
ENCODER_AWAY_PAUSE = timedelta(seconds=30)
PACE_POLL_SECONDS = 1.0  # a run that has an end does not sleep longer: its thread is wanted
PACE_SHORTEST_SECONDS = 0.02  # the wait was over by now, or others hold what is left
PACE = ["state", "tokens_per_second", "night_from", "night_until", "bulk_free_at"]
PAID_IN_VAIN_PAUSE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """What one run of the loop did, and whether it ran out of work or of time; `pause` is how
    many seconds its pace holds back what is left."""

    embedded: int
    tokens: int
    finished: bool
    pause: float = 0.0


def embed_pending(
    version: IndexVersion,
    *,
    seconds: float | None = None,
    bulk: bool = True,
    on_progress: Callable[[int], None] | None = None,
) -> LoopResult:
    """Embed what waits in `version`; safe to run anywhere, twice, and at the same time.

    Stops after `seconds`, and then does not wait for its pace either (None: when nothing waits
    that may run now). Without `bulk` only what people published is taken. `on_progress` is told
    how many articles each batch made searchable. Raises FingerprintChanged before anything is
    claimed.
    """
    encoder_of(version)
    ensure_entries(version, bulk=bulk)
    deadline = None if seconds is None else time.monotonic() + seconds
    embedded = tokens = 0
    finished, pause = True, 0.0
    while True:
        step = _step(version, bulk=bulk)
        if step is None:
            if bulk and _pause_for_pace(version, deadline):
                continue
            pause = _held_back(version) if bulk and deadline is not None else 0.0
            finished = not pause
            break
        embedded, tokens = embedded + step.stored, tokens + step.tokens
        if on_progress:
            on_progress(step.stored)
        if step.encoder_at_fault:
            break  # the rest would fare no better; the sweep comes back when it is due
        if deadline is not None and time.monotonic() > deadline:
            finished = False
            break
    return LoopResult(embedded=embedded, tokens=tokens, finished=finished, pause=pause)


def _step(version: IndexVersion, *, bulk: bool) -> _Outcome | None:
    """One batch; None if nothing may be taken now.

    Bulk work stands back for what people publish, in whatever version of any workspace: a
    re-embedding that holds every worker must not keep an edit out of the answers.
    """
    if bulk:
        for urgent in versions_with_edits(besides=version):
            if outcome := _embed_edits(urgent):
                return replace(outcome, stored=0, encoder_at_fault=False)
        if _must_wait(version):
            return _embed_next(version, bulk=False)
    return _embed_next(version, bulk=bulk)


def _embed_edits(version: IndexVersion) -> _Outcome | None:
    """Of another version: what ails it is no reason to stop here."""
    try:
        return _embed_next(version, bulk=False)
    except DATABASE_AWAY:
        raise
    except ENCODER_AT_FAULT as error:
        log.warning("encoder_unavailable", version=version.pk, error=str(error))
    except Exception:
        log.exception("edits_not_embedded", version=version.pk)
    return None


def _embed_next(version: IndexVersion, *, bulk: bool) -> _Outcome | None:
    encoder = encoder_of(version)
    most = batch_characters(version, CLAIM_CHARACTERS) if bulk else CLAIM_CHARACTERS
    claim = claim_entries(version, worker=worker_name(), bulk=bulk, characters=most)
    if claim is None:
        return None
    began = timezone.now()
    outcome = _embed_claim(version, encoder, claim)
    if any(entry.bulk for entry in claim.entries):
        charge(version, tokens=outcome.tokens, since=began)
    return outcome


def _must_wait(version: IndexVersion) -> bool:
    version.refresh_from_db(fields=PACE)
    return bool(bulk_wait(version))


def _pause_for_pace(version: IndexVersion, deadline: float | None) -> bool:
    """Sleep a little if bulk work is left that its pace holds back; False: none is left, or
    it is held for longer than this run of the loop may sleep."""
    if not _bulk_left(version):
        return False
    wait = bulk_wait(version).total_seconds()
    if deadline is not None and (wait > PACE_POLL_SECONDS or time.monotonic() + wait > deadline):
        return False
    time.sleep(min(max(wait, PACE_SHORTEST_SECONDS), PACE_POLL_SECONDS))
    return True


def _held_back(version: IndexVersion) -> float:
    """Seconds until its pace lets the rest go on; 0: nothing is left, or it is so long that the
    sweep comes back before."""
    wait = bulk_wait(version).total_seconds()
    return wait if wait <= settings.SWEEP_SECONDS and _bulk_left(version) else 0.0


def _bulk_left(version: IndexVersion) -> bool:
    entries = IndexEntry.objects.filter(
        index_version=version, index_version__state__in=RECEIVING, bulk=True
    )
    return entries.waiting().current().exists()


def worker_name() -> str:
    """Host and process, for people who look for the worker that holds an entry."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """Articles stored and tokens encoded, of one claim."""

    stored: int = 0
    tokens: int = 0
    encoder_at_fault: bool = False


def _embed_claim(version: IndexVersion, encoder: Encoder, claim: Claim) -> _Outcome:
    with keep_lease(claim):
        return _attempt(version, encoder, claim)


def _attempt(version: IndexVersion, encoder: Encoder, claim: Claim) -> _Outcome:
    """A batch that fails is tried article by article, so that the poison is found and the
    others go on; a fault of the encoder's is nobody's attempt."""
    meter = Meter()
    try:
        return _encode_and_store(version, encoder, claim, meter)
    except ENCODER_AT_FAULT as error:
        # What was paid for in vain is not bought again twice a minute.
        pause = PAID_IN_VAIN_PAUSE if meter.tokens else ENCODER_AWAY_PAUSE
        release(claim, reason=str(error), delay=pause)
        log.warning("encoder_unavailable", version=version.pk, error=str(error))
        return _Outcome(encoder_at_fault=True)
    except DATABASE_AWAY:
        raise  # the database is away: the lease runs out, and the rows still say what is left
    except Exception as error:  # noqa: BLE001 - recorded on the entry, with its reason
        if len(claim.entries) > 1:
            log.warning("batch_failed", version=version.pk, error=repr(error))
            return _attempt_each(version, encoder, claim)
        _record_failure(claim.entries[0], error)
    return _Outcome()


def _attempt_each(version: IndexVersion, encoder: Encoder, claim: Claim) -> _Outcome:
    alone = [Claim(lease=claim.lease, entries=(entry,)) for entry in claim.entries]
    outcomes = [_attempt(version, encoder, one) for one in alone]
    return _Outcome(
        stored=sum(each.stored for each in outcomes),
        tokens=sum(each.tokens for each in outcomes),
        encoder_at_fault=any(each.encoder_at_fault for each in outcomes),
    )


def _encode_and_store(
    version: IndexVersion, encoder: Encoder, claim: Claim, meter: Meter
) -> _Outcome:
    derived = derive_vectors(version, claim)
    rest = tuple(entry for entry in claim.entries if entry.revision_id not in derived)
    if not rest:
        return _Outcome(stored=len(derived))
    claim = Claim(lease=claim.lease, entries=rest)
    with spending(workspace_id=version.workspace_id, encoder=version.encoder, meter=meter):
        documents = encoder.encode_documents([_document(entry) for entry in claim.entries])
    stored = store_vectors(version, claim, documents)
    tokens = sum(document.tokens for document in documents)
    return _Outcome(stored=stored + len(derived), tokens=tokens)


def _document(entry: IndexEntry) -> Document:
    revision = entry.revision
    return Document(title=revision.title, body=revision.body, language=revision.language)


def _record_failure(entry: IndexEntry, error: Exception) -> None:
    final = isinstance(error, TextNotEmbeddable)
    if not final:
        log.error("embedding_failed", revision=entry.revision_id, attempt=entry.attempts)
    fail(entry, reason=f"{type(error).__name__}: {error}"[:2000], final=final)
