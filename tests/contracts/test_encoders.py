"""What every encoder promises, asked of each that is at hand."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings.encoders.base import Document, Encoder, Task
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.registry import get_encoder
from embeddings.errors import UnknownEncoder

ALIASES = ["hash", "hash-wide", "minilm"]

LONG = "Refunds are paid within five days. Größe, naïve café — 日本語 😀 and more. " * 300


@pytest.fixture(params=ALIASES)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Each encoder in turn."""
    return get_encoder(request.param)


def test_vectors_are_unit_length_float32_of_the_promised_dimension(encoder: Encoder) -> None:
    for task in Task:
        vectors = encoder.encode(["how do I get my money back", "ein anderer Satz"], task)
        assert vectors.shape == (2, encoder.dimension)
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)


def test_whole_article_is_covered_by_passages_with_exact_offsets(encoder: Encoder) -> None:
    (embedded,) = encoder.encode_documents([Document(title="Refunds", body=LONG)])
    assert embedded.covered_characters == len(LONG)
    assert embedded.passages[0].start == 0
    assert embedded.passages[-1].end == len(LONG)
    reached = 0
    for passage in embedded.passages:
        assert passage.start <= reached < passage.end
        reached = passage.end
        assert passage.vector.shape == (encoder.dimension,)
    assert embedded.tokens == encoder.count_tokens([LONG])[0]


def test_results_come_in_the_order_of_the_documents(encoder: Encoder) -> None:
    documents = [Document(title=f"T{n}", body=f"number {n} " * (1 + 37 * n)) for n in range(6)]
    together = encoder.encode_documents(documents)
    for document, embedded in zip(documents, together, strict=True):
        (alone,) = encoder.encode_documents([document])
        assert embedded.vector == pytest.approx(alone.vector, abs=1e-4)
        assert len(embedded.passages) == len(alone.passages)


def test_question_finds_its_passage(encoder: Encoder) -> None:
    documents = [
        Document(title="Refunds", body="A refund is paid back to the card within five days."),
        Document(title="Calendar", body="Connect the calendar in the settings of your account."),
    ]
    refunds, calendar = encoder.encode_documents(documents)
    (query,) = encoder.encode_queries(["refund to my card"])
    assert query @ refunds.vector > query @ calendar.vector


def test_fingerprint_is_stable_and_tells_options_apart(encoder: Encoder) -> None:
    assert encoder.fingerprint == encoder.fingerprint
    assert len({get_encoder(alias).fingerprint for alias in ALIASES}) == len(ALIASES)
    assert HashEncoder(dimension=32).fingerprint != HashEncoder(dimension=64).fingerprint


def test_nothing_to_encode_is_no_error(encoder: Encoder) -> None:
    assert encoder.encode_documents([]) == []
    assert encoder.encode_queries([]).shape == (0, encoder.dimension)


def test_unknown_alias_names_those_that_exist() -> None:
    with pytest.raises(UnknownEncoder, match="hash, hash-wide, minilm"):
        get_encoder("nope")
