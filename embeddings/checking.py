"""Trying an encoder: does it load, what does it say of itself, how quick is it here?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from embeddings.encoders.base import Document, Encoder
from embeddings.encoders.registry import get_encoder
from embeddings.errors import CheckpointInvalid, EncoderUnavailable, TextNotEmbeddable

PROBE = "A refund is paid back to the card within five working days. "
PROBE_SENTENCES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCheck:
    """What a probe of one encoder gave; `problem` is empty when all is well.

    `megabytes` is by how much this process grew.
    """

    alias: str
    dimension: int = 0
    window: int = 0
    fingerprint: str = ""
    load_seconds: float = 0.0
    tokens_per_second: int = 0
    query_milliseconds: float = 0.0
    megabytes: int = 0
    problem: str = ""


def check_encoder(alias: str) -> EncoderCheck:
    """Load it, encode a question, then an article of about 1,500 tokens.

    With a paid API this spends those tokens. Raises UnknownEncoder.
    """
    try:
        return _probe(alias, get_encoder(alias))
    except (CheckpointInvalid, EncoderUnavailable, TextNotEmbeddable) as error:
        return EncoderCheck(alias=alias, problem=str(error))


def _probe(alias: str, encoder: Encoder) -> EncoderCheck:
    before, started = _megabytes(), time.monotonic()
    encoder.encode_queries([PROBE])
    loaded = time.monotonic()
    vectors = encoder.encode_queries([PROBE])
    asked = time.monotonic()
    if vectors.shape != (1, encoder.dimension):
        raise CheckpointInvalid(f"{alias} gives vectors of shape {vectors.shape}.")
    document = Document(title="Refunds", body=PROBE * PROBE_SENTENCES)
    [embedded] = encoder.encode_documents([document])
    return EncoderCheck(
        alias=alias,
        dimension=encoder.dimension,
        window=encoder.window,
        fingerprint=encoder.fingerprint,
        load_seconds=round(loaded - started, 2),
        query_milliseconds=round(1000 * (asked - loaded), 1),
        tokens_per_second=round(embedded.tokens / max(time.monotonic() - asked, 1e-9)),
        megabytes=max(0, _megabytes() - before),
    )


def _megabytes() -> int:
    """Memory of this process now (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024
