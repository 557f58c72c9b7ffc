"""Vectors of curated questions: what lacks, made batch by batch.

Every active index version's encoder gets its own, so that a cut-over finds them ready. The
rows say what is left; running twice, or at the same time, does no harm.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from pgvector import HalfVector

from chat.models import CuratedQuestion, CuratedVector
from chat.models.curated import CuratedQuestionQuerySet
from chat.retrieval.question import encode_whole
from embeddings.encoders.base import Encoder, Task
from embeddings.errors import TextNotEmbeddable
from embeddings.live import encoder_of
from embeddings.models import IndexVersion
from embeddings.spending import spending

log = structlog.get_logger(__name__)

BATCH = 32


def lacking_questions(version: IndexVersion) -> CuratedQuestionQuerySet:
    """Curated questions of the version's workspace that its encoder has not seen."""
    mine = CuratedQuestion.objects.filter(workspace=version.workspace_id)
    return mine.lacking(version.fingerprint)


def embed_curated_questions(version: IndexVersion, *, seconds: float | None = None) -> int:
    """Encode what lacks, outside any transaction; returns how many questions.

    Stops after `seconds` (None: when nothing lacks). Raises FingerprintChanged,
    EncoderUnavailable or CheckpointInvalid; what was stored stays.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    if not lacking_questions(version).exists():
        return 0  # without loading the encoder
    encoder = encoder_of(version)
    seen = 0
    while time.monotonic() < deadline:
        batch = list(lacking_questions(version).order_by("pk")[:BATCH])
        if not batch:
            break
        with spending(workspace_id=version.workspace_id, encoder=version.encoder):
            vectors = _encode(encoder, batch)
        _store(vectors)
        seen += len(batch)
    return seen


def purge_curated_vectors() -> int:
    """Drop vectors of encoders that no active version of their workspace has; how many."""
    used = IndexVersion.objects.active().filter(
        workspace=OuterRef("question__workspace"), fingerprint=OuterRef("fingerprint")
    )
    return CuratedVector.objects.filter(~Exists(used)).delete()[0]


def _encode(encoder: Encoder, questions: Sequence[CuratedQuestion]) -> list[CuratedVector]:
    """One vector each; a text that the encoder refuses is told apart from the others."""
    fingerprint = encoder.fingerprint
    try:
        matrix = encode_whole(encoder, [each.text for each in questions], Task.TEXT_MATCHING)
    except TextNotEmbeddable as error:
        if len(questions) > 1:
            return [vector for each in questions for vector in _encode(encoder, [each])]
        log.warning("curated_question_refused", question=questions[0].pk, error=str(error))
        refused = CuratedVector(
            question=questions[0], fingerprint=fingerprint, reason=str(error)[:2000]
        )
        return [refused]
    return [
        CuratedVector(question=each, fingerprint=fingerprint, embedding=HalfVector(row))
        for each, row in zip(questions, matrix, strict=True)
    ]


def _store(vectors: Sequence[CuratedVector]) -> None:
    """Of the questions that are still there; one that another worker stored stays."""
    with transaction.atomic():
        keys = [vector.question_id for vector in vectors]
        # The lock keeps them until the commit.
        there = CuratedQuestion.objects.select_for_update(no_key=True).filter(pk__in=keys)
        alive = set(there.values_list("pk", flat=True))
        CuratedVector.objects.bulk_create(
            [vector for vector in vectors if vector.question_id in alive], ignore_conflicts=True
        )
