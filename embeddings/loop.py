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
from embeddings.errors import EncoderUnavailable, TextNotEmbeddable
from embeddings.live import encoder_of
from embeddings.models import IndexEntry, IndexVersion
from embeddings.services.entries import ensure_entries
from embeddings.spending import spending
from embeddings.store import store_vectors

log = structlog.get_logger(__name__)

ENCODER_AWAY_PAUSE = timedelta(seconds=30)


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
        stored, spent = _embed_claim(version, encoder, claim)
        embedded, tokens = embedded + stored, tokens + spent
        if on_progress:
            on_progress(stored)
        if deadline is not None and time.monotonic() > deadline:
            return LoopResult(embedded=embedded, tokens=tokens, finished=False)
    return LoopResult(embedded=embedded, tokens=tokens, finished=True)


def worker_name() -> str:
    """Host and process, for people who look for the worker that holds an entry."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _embed_claim(version: IndexVersion, encoder: Encoder, claim: Claim) -> tuple[int, int]:
    with keep_lease(claim):
        return _attempt(version, encoder, claim)


def _attempt(version: IndexVersion, encoder: Encoder, claim: Claim) -> tuple[int, int]:
    """Articles stored and tokens spent. A batch that fails is tried article by article, so
    that the poison is found and the others go on."""
    try:
        return _encode_and_store(version, encoder, claim)
    except EncoderUnavailable as error:
        release(claim, reason=str(error), delay=ENCODER_AWAY_PAUSE)
        log.warning("encoder_unavailable", version=version.pk, error=str(error))
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease runs out, and the rows still say what is left
    except Exception as error:  # noqa: BLE001 - recorded on the entry, with its reason
        if len(claim.entries) > 1:
            log.warning("batch_failed", version=version.pk, error=repr(error))
            return _attempt_each(version, encoder, claim)
        _record_failure(claim.entries[0], error)
    return 0, 0


def _attempt_each(version: IndexVersion, encoder: Encoder, claim: Claim) -> tuple[int, int]:
    alone = [Claim(lease=claim.lease, entries=(entry,)) for entry in claim.entries]
    results = [_attempt(version, encoder, one) for one in alone]
    return sum(stored for stored, _ in results), sum(spent for _, spent in results)


def _encode_and_store(version: IndexVersion, encoder: Encoder, claim: Claim) -> tuple[int, int]:
    with spending(workspace_id=version.workspace_id, encoder=version.encoder):
        documents = encoder.encode_documents([_document(entry) for entry in claim.entries])
    stored = store_vectors(version, claim, documents)
    return stored, sum(document.tokens for document in documents)


def _document(entry: IndexEntry) -> Document:
    revision = entry.revision
    return Document(title=revision.title, body=revision.body, language=revision.language)


def _record_failure(entry: IndexEntry, error: Exception) -> None:
    final = isinstance(error, TextNotEmbeddable)
    if not final:
        log.error("embedding_failed", revision=entry.revision_id, attempt=entry.attempts)
    fail(entry, reason=f"{type(error).__name__}: {error}"[:2000], final=final)
