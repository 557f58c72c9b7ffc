"""What every encoder promises, asked of each family: packages, tiny checkpoints, servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings

from embeddings.encoders.api.jina_api import JinaApiEncoder
from embeddings.encoders.api.remote import RemoteEncoder
from embeddings.encoders.base import Document, Encoder, Task
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.registry import get_encoder
from embeddings.errors import TextNotEmbeddable, UnknownEncoder
from tests.families import MEANINGFUL, SERVED, TINY, all_encoders

ALIASES = [*MEANINGFUL, *TINY, *SERVED]

LONG = "Refunds are paid within five days. Größe, naïve café — 日本語 😀 and more. " * 60


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """Settings of them all; the servers run until the session ends."""
    with all_encoders(tmp_path_factory.mktemp("families")) as encoders:
        yield encoders


@pytest.fixture(params=ALIASES)
def encoder(
    request: pytest.FixtureRequest, settings: Settings, configured: dict[str, dict[str, Any]]
) -> Encoder:
    """Each encoder in turn, by its name."""
    settings.ENCODERS = configured
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
        assert np.linalg.norm(passage.vector) == pytest.approx(1, abs=1e-3)
    counted = encoder.count_tokens([LONG])[0]
    if isinstance(encoder, JinaApiEncoder | RemoteEncoder):  # without a tokenizer here: estimated
        assert 0 < embedded.tokens <= counted
    else:  # a first word may be split otherwise when a title stands before it
        assert embedded.tokens == pytest.approx(counted, abs=1)


def test_results_come_in_order_and_do_not_depend_on_the_batch(encoder: Encoder) -> None:
    documents = [Document(title=f"T{n}", body=f"number {n} " * (1 + 37 * n)) for n in range(6)]
    together = encoder.encode_documents(documents)
    for document, embedded in zip(documents, together, strict=True):
        (alone,) = encoder.encode_documents([document])
        assert embedded.vector @ alone.vector >= 0.9999
        pairs = zip(embedded.passages, alone.passages, strict=True)
        assert all(ours.vector @ other.vector >= 0.9999 for ours, other in pairs)


def test_questions_do_not_depend_on_the_batch(encoder: Encoder) -> None:
    questions = ["money", "how do I get my money back", "größe " * 20, "日本語 😀"]
    together = encoder.encode_queries(questions)
    alone = np.concatenate([encoder.encode_queries([each]) for each in questions])
    assert (together * alone).sum(axis=1).min() >= 0.9999


def test_a_question_over_the_window_is_refused_never_cut(encoder: Encoder) -> None:
    if isinstance(encoder, HashEncoder):
        return  # counts words, and has no window
    with pytest.raises(TextNotEmbeddable):
        encoder.encode_queries(["money " * (encoder.window + 1)])


def test_half_a_character_is_refused(encoder: Encoder) -> None:
    if isinstance(encoder, HashEncoder):
        return  # takes anything
    with pytest.raises(TextNotEmbeddable):
        encoder.encode_queries(["half \ud83d of it"])
    with pytest.raises(TextNotEmbeddable):
        encoder.encode_documents([Document(title="T", body="half \ud83d of it")])


def test_an_article_without_text_is_refused_or_covered(encoder: Encoder) -> None:
    """Whatever a model makes of it, nothing crashes and nothing is not a number."""
    try:
        (embedded,) = encoder.encode_documents([Document(title="\u200b", body="\u200b\u200b")])
    except TextNotEmbeddable:
        return
    assert np.isfinite(embedded.vector).all()


def test_fingerprint_is_stable_and_tells_encoders_apart(
    encoder: Encoder, configured: dict[str, dict[str, Any]]
) -> None:
    assert encoder.fingerprint == encoder.fingerprint
    assert len(encoder.fingerprint) <= 300
    others = {get_encoder(alias).fingerprint for alias in configured if alias not in SERVED}
    assert len(others) == len(configured) - len(SERVED)


def test_nothing_to_encode_is_no_error(encoder: Encoder) -> None:
    assert encoder.encode_documents([]) == []
    assert encoder.encode_queries([]).shape == (0, encoder.dimension)


@pytest.mark.parametrize("alias", MEANINGFUL)
def test_question_finds_its_passage(
    alias: str, settings: Settings, configured: dict[str, dict[str, Any]]
) -> None:
    settings.ENCODERS = configured
    encoder = get_encoder(alias)
    documents = [
        Document(title="Refunds", body="A refund is paid back to the card within five days."),
        Document(title="Calendar", body="Connect the calendar in the settings of your account."),
    ]
    refunds, calendar = encoder.encode_documents(documents)
    (query,) = encoder.encode_queries(["refund to my card"])
    assert query @ refunds.vector > query @ calendar.vector


def test_unknown_alias_names_those_that_exist() -> None:
    with pytest.raises(UnknownEncoder, match="hash, hash-wide, minilm"):
        get_encoder("nope")


def test_options_tell_fingerprints_apart() -> None:
    assert HashEncoder(dimension=32).fingerprint != HashEncoder(dimension=64).fingerprint
