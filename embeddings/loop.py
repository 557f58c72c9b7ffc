"""The embed loop: claim, encode outside any transaction, store, until nothing waits."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import InterfaceError, OperationalError

from embeddings.claims import Claim, claim_entries, fail, keep_lease, release
from embeddings.encoders.base import Document, Encoder
from embeddings.encoders.metering import Meter
from embeddings.errors import (
    CheckpointInvalid,
    EncoderUnavailable,
    FingerprintChanged,
    TextNotEmbeddable,
)
from embeddings.live import encoder_of
from embeddings.models import IndexEntry, IndexVersion
from embeddings.services.entries import ensure_entries
from embeddings.spending import spending
from embeddings.store import store_vectors

log = structlog.get_logger(__name__)

# No article is to blame: nothing is parked, and all go on once the encoder is mended.
ENCODER_AT_FAULT = (EncoderUnavailable, CheckpointInvalid, FingerprintChanged)
ENCODER_AWAY_PAUSE = timedelta(seconds=30)
PAID_IN_VAIN_PAUSE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """What one run of the loop did, and whether it ran out of work or of time."""

    embedded: int
    tokens: int
    finished: bool


def embed_pending(
    version: IndexVersion,
    *,
    seconds: float | None = None,
    bulk: bool = True,
    on_progress: Callable[[int], None] | None = None,
) -> LoopResult:
    """Embed what waits in `version`; safe to run anywhere, twice, and at the same time.

    Stops after `seconds` (None: when nothing waits). `on_progress` is told how many articles
    each batch made searchable. Raises FingerprintChanged before anything is claimed.
    """
    encoder = encoder_of(version)
    ensure_entries(version, bulk=bulk)
    deadline = None if seconds is None else time.monotonic() + seconds
    embedded = tokens = 0
    while claim := claim_entries(version, worker=worker_name()):
        outcome = _embed_claim(version, encoder, claim)
        embedded, tokens = embedded + outcome.stored, tokens + outcome.tokens
        if on_progress:
            on_progress(outcome.stored)
        if outcome.encoder_at_fault:
            break  # the rest would fare no better; the sweep comes back when it is due
        if deadline is not None and time.monotonic() > deadline:
            return LoopResult(embedded=embedded, tokens=tokens, finished=False)
    return LoopResult(embedded=embedded, tokens=tokens, finished=True)


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
    except (OperationalError, InterfaceError):
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
    with spending(workspace_id=version.workspace_id, encoder=version.encoder, meter=meter):
        documents = encoder.encode_documents([_document(entry) for entry in claim.entries])
    stored = store_vectors(version, claim, documents)
    return _Outcome(stored=stored, tokens=sum(document.tokens for document in documents))


def _document(entry: IndexEntry) -> Document:
    revision = entry.revision
    return Document(title=revision.title, body=revision.body, language=revision.language)


def _record_failure(entry: IndexEntry, error: Exception) -> None:
    final = isinstance(error, TextNotEmbeddable)
    if not final:
        log.error("embedding_failed", revision=entry.revision_id, attempt=entry.attempts)
    fail(entry, reason=f"{type(error).__name__}: {error}"[:2000], final=final)
