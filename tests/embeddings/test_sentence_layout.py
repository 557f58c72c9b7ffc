"""Checkpoints in the sentence-transformers layout, against that library itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from embeddings.encoders.base import Document, Task
from embeddings.encoders.models.short import short_encoder
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable
from tests.checkpoints.sentence_layout import PROMPTS, write_sentence_layout

TEXTS = ["How do I get my money back?", "a refund", "Connect the calendar in the settings."]


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "lasttoken"])
def test_pooling_is_the_checkpoints(tmp_path: Path, pooling: str) -> None:
    folder = write_sentence_layout(tmp_path / "model", pooling=pooling)
    reference = SentenceTransformer(str(folder), device="cpu")
    expected = reference.encode(TEXTS, show_progress_bar=False)
    ours = short_encoder(checkpoint=str(folder)).encode(TEXTS, Task.TEXT_MATCHING)
    assert np.abs(ours - expected).max() < 1e-5


def test_model_without_fused_attention_loads_too(tmp_path: Path) -> None:
    folder = write_sentence_layout(tmp_path / "model", kind="mpnet")
    reference = SentenceTransformer(str(folder), device="cpu")
    expected = reference.encode(TEXTS, show_progress_bar=False)
    encoder = short_encoder(checkpoint=str(folder))
    ours = encoder.encode(TEXTS, Task.TEXT_MATCHING)
    assert np.abs(ours - expected).max() < 1e-5


def test_prompts_are_the_checkpoints(tmp_path: Path) -> None:
    folder = write_sentence_layout(tmp_path / "model", prompts=PROMPTS)
    reference = SentenceTransformer(str(folder), device="cpu")
    encoder = short_encoder(checkpoint=str(folder))
    for name, task in (("query", Task.RETRIEVAL_QUERY), ("document", Task.RETRIEVAL_PASSAGE)):
        expected = reference.encode(TEXTS, prompt_name=name, show_progress_bar=False)
        assert np.abs(encoder.encode(TEXTS, task) - expected).max() < 1e-5
    (embedded,) = encoder.encode_documents([Document(title="Money", body="A refund is paid.")])
    (expected,) = reference.encode(["passage: Money A refund is paid."], show_progress_bar=False)
    assert embedded.vector == pytest.approx(expected, abs=1e-5)


def test_prompts_given_as_options_win(tmp_path: Path) -> None:
    folder = write_sentence_layout(tmp_path / "model", prompts=PROMPTS)
    own = short_encoder(checkpoint=str(folder), query_prompt="query: ", passage_prompt="")
    shipped = short_encoder(checkpoint=str(folder))
    assert np.array_equal(own.encode_queries(TEXTS), shipped.encode_queries(TEXTS))
    half = short_encoder(checkpoint=str(folder), query_prompt="q: ")
    passages = Task.RETRIEVAL_PASSAGE
    assert np.array_equal(half.encode(TEXTS, passages), shipped.encode(TEXTS, passages))
    assert own.fingerprint != shipped.fingerprint


def test_window_is_where_its_makers_cut(tmp_path: Path) -> None:
    encoder = short_encoder(checkpoint=str(write_sentence_layout(tmp_path / "model")))
    assert encoder.window == 64
    with pytest.raises(TextNotEmbeddable, match="does not fit the 64"):
        encoder.encode_queries(["a " * 63])


def test_late_chunking_needs_mean_pooling(tmp_path: Path) -> None:
    folder = write_sentence_layout(tmp_path / "model", pooling="cls")
    with pytest.raises(CheckpointInvalid, match="mean-pooled"):
        short_encoder(checkpoint=str(folder), strategy="whole_late")


@pytest.mark.parametrize("strategy", ["windows", "whole", "chunks", "whole_late"])
def test_every_strategy_covers_the_whole_article(tmp_path: Path, strategy: str) -> None:
    folder = write_sentence_layout(tmp_path / "model")
    encoder = short_encoder(checkpoint=str(folder), strategy=strategy)
    body = "# Money\n\nA refund is paid to the card within five days. " * 30
    (embedded,) = encoder.encode_documents([Document(title="Refunds", body=body)])
    assert embedded.covered_characters == len(body)
    assert embedded.passages[-1].end == len(body)
    assert strategy in encoder.fingerprint
