"""JinaBERT through its backbone, against a second implementation in numpy."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.profiler import ProfilerActivity, profile

from embeddings.encoders.base import Task
from embeddings.encoders.models import jina_bert, jina_v2
from embeddings.encoders.models.jina_bert import JinaBert, JinaBertShape, alibi_slopes
from embeddings.encoders.models.jina_v2 import JinaV2Backbone
from embeddings.encoders.tokenizer import load_tokenizer
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable
from tests.checkpoints.jina_v2 import Variant, write_jina_v2
from tests.embeddings.jina_bert_reference import Reference

LENGTHS = (1, 2, 3, 17, 60)
VARIANTS: tuple[Variant, ...] = ("plain", "qk-post-norm")


def inputs_of(lengths: Sequence[int], seed: int = 1) -> list[list[int]]:
    """Random token ids that every tiny checkpoint knows."""
    random = np.random.default_rng(seed)
    return [random.integers(5, 150, length).tolist() for length in lengths]


def states_of(backbone: JinaV2Backbone, inputs: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """All inputs in one call."""
    return backbone.states(inputs, [Task.RETRIEVAL_PASSAGE] * len(inputs))


def assert_as_reference(folder: Path, inputs: Sequence[Sequence[int]]) -> None:
    """Same shapes, and no value further off than rounding."""
    reference = Reference(folder)
    found = states_of(JinaV2Backbone(folder), inputs)
    for ids, states in zip(inputs, found, strict=True):
        assert states.dtype == torch.float32
        assert states.shape == (len(ids), reference.config["hidden_size"])
        assert np.abs(states.numpy() - reference.states(ids)).max() < 1e-4


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("heads", [8, 12])
@pytest.mark.parametrize("glu", ["geglu", "reglu"])
def test_states_equal_the_reference(
    tmp_path: Path, variant: Variant, heads: Literal[8, 12], glu: Literal["geglu", "reglu"]
) -> None:
    folder = write_jina_v2(tmp_path / "model", variant=variant, heads=heads, glu=glu)
    assert_as_reference(folder, inputs_of(LENGTHS))


def test_text_equals_the_reference(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_jina_v2(tmp_path))
    [tokens] = tokenizer.tokenize(["A refund is paid to the card within five days."])
    assert_as_reference(tmp_path, [tokenizer.wrap(tokens.ids)])


def test_slopes_of_eight_and_of_twelve_heads() -> None:
    eight = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    between = [0.7071067811865476, 0.3535533905932738, 0.1767766952966369, 0.08838834764831845]
    assert alibi_slopes(8) == eight
    assert alibi_slopes(12) == pytest.approx([*eight, *between], rel=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("heads", [8, 12])
def test_input_longer_than_a_block_of_queries(
    tmp_path: Path, variant: Variant, heads: Literal[8, 12]
) -> None:
    folder = write_jina_v2(tmp_path / "model", variant=variant, heads=heads)
    assert_as_reference(folder, inputs_of([jina_bert.QUERY_BLOCK + 88]))


@pytest.mark.parametrize("block", [1, 7])
def test_size_of_the_blocks_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(jina_bert, "QUERY_BLOCK", block)
    assert_as_reference(write_jina_v2(tmp_path, heads=12), inputs_of([20, 7, 5, 8, 14]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_other_inputs_of_the_call_change_nothing(tmp_path: Path, variant: Variant) -> None:
    backbone = JinaV2Backbone(write_jina_v2(tmp_path, variant=variant, heads=12))
    inputs = inputs_of([3, 600, 41, 3, 128])
    for ids, together in zip(inputs, states_of(backbone, inputs), strict=True):
        [alone] = states_of(backbone, [ids])
        assert torch.allclose(alone, together, rtol=0, atol=1e-5)
        assert torch.cosine_similarity(alone.mean(0), together.mean(0), dim=0) >= 0.9999


def test_words_order_changes_the_states(tmp_path: Path) -> None:
    backbone = JinaV2Backbone(write_jina_v2(tmp_path))
    [ids] = inputs_of([30])
    forward, swapped = states_of(backbone, [ids, [ids[1], ids[0], *ids[2:]]])
    assert (forward[2:] - swapped[2:]).abs().max() > 1e-2


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_is_near(tmp_path: Path, variant: Variant) -> None:
    folder = write_jina_v2(tmp_path, variant=variant, heads=12)
    backbone = JinaV2Backbone(folder)
    backbone.load()
    model = backbone._loaded.to(torch.bfloat16)
    [ids] = inputs_of([900])
    with torch.inference_mode():
        states = model(torch.tensor(ids), [len(ids)])
    assert states.dtype == torch.bfloat16
    expected = torch.from_numpy(Reference(folder).states(ids)).float()
    assert torch.cosine_similarity(states.float().mean(0), expected.mean(0), dim=0) > 0.999
    assert torch.cosine_similarity(states.float(), expected).min() > 0.99


def peak_bytes(path: Path, work: Callable[[], object]) -> int:
    """Most bytes of tensors that were held at a time, those inside kernels included."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    recorded.export_chrome_trace(str(path))
    events = json.loads(path.read_text())["traceEvents"]
    changes: list[tuple[float, int]] = sorted(
        (event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]"
    )
    return max(itertools.accumulate(change for _, change in changes))


def peak_of_length(folder: Path, length: int) -> int:
    """Peak of one input's forward pass with twelve heads, weights not counted."""
    shape = JinaBertShape(
        vocabulary=200,
        token_types=2,
        hidden=48,
        layers=1,
        heads=12,
        intermediate=48,
        epsilon=1e-12,
        glu="geglu",
        qk_post_norm=False,
    )
    model = JinaBert(shape)
    [ids] = inputs_of([length])
    with torch.inference_mode():
        return peak_bytes(folder / "trace.json", lambda: model(torch.tensor(ids), [length]))


def test_memory_grows_with_the_length_not_with_its_square(tmp_path: Path) -> None:
    short, long = peak_of_length(tmp_path, 1024), peak_of_length(tmp_path, 4096)
    one_table = 12 * 4096 * 4096 * 4
    assert 12 * 4096 * 4 < long < one_table / 50
    assert long < 4.5 * short


def test_weights_are_read_once_and_by_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = JinaV2Backbone(write_jina_v2(tmp_path))
    [ids] = inputs_of([9])
    together, reads = threading.Barrier(4), []

    def read_slowly(path: Path) -> dict[str, torch.Tensor]:
        reads.append(path)
        time.sleep(0.05)  # long enough for the others to come
        return load_file(path)

    def ask(_: int) -> torch.Tensor:
        together.wait()
        return states_of(backbone, [ids])[0]

    monkeypatch.setattr(jina_v2, "load_file", read_slowly)
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(ask, range(4))
    backbone.load()
    assert reads == [tmp_path / "model.safetensors"]
    assert all(torch.equal(first, other) for other in others)


def test_figures_are_those_of_config_json(tmp_path: Path) -> None:
    small = JinaV2Backbone(write_jina_v2(tmp_path, heads=12))
    assert (small.hidden, small.positions, small.wide) == (48, 8192, False)
    edit_config(tmp_path, hidden_size=512)
    assert JinaV2Backbone(tmp_path).wide


@pytest.mark.parametrize("length", [0, 33])
def test_input_that_does_not_fit_is_refused(tmp_path: Path, length: int) -> None:
    edit_config(write_jina_v2(tmp_path), max_position_embeddings=32)
    backbone = JinaV2Backbone(tmp_path)
    assert states_of(backbone, []) == []
    assert states_of(backbone, inputs_of([32]))[0].shape == (32, 32)
    with pytest.raises(TextNotEmbeddable, match=f"of {length} tokens does not fit the model's 32"):
        states_of(backbone, inputs_of([4, length]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_prefix_of_the_names_is_accepted(tmp_path: Path, variant: Variant) -> None:
    folder = write_jina_v2(tmp_path, variant=variant, prefix="bert.")
    assert "bert.pooler.dense.weight" in load_file(folder / "model.safetensors")
    assert_as_reference(folder, inputs_of([5]))


def test_local_copy_whose_auto_map_names_no_repository_is_accepted(tmp_path: Path) -> None:
    folder = write_jina_v2(tmp_path, variant="qk-post-norm")
    edit_config(folder, auto_map={"AutoModel": "modeling_bert.JinaBertModel"})
    assert_as_reference(folder, inputs_of([5]))


def edit_config(folder: Path, **values: object) -> None:
    """Change keys of config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def edit_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    """Put weights into model.safetensors, or take them out (None)."""
    path = folder / "model.safetensors"
    weights = load_file(path) | changes
    save_file({name: each for name, each in weights.items() if each is not None}, path)


def assert_refused(folder: Path, message: str) -> None:
    """Loading says what is wrong."""
    with pytest.raises(CheckpointInvalid, match=message):
        JinaV2Backbone(folder).load()


WEIGHT = "encoder.layer.1.mlp.wo.weight"


def test_missing_weight_is_an_error_not_random_numbers(tmp_path: Path) -> None:
    edit_weights(write_jina_v2(tmp_path), **{WEIGHT: None})
    assert_refused(tmp_path, rf"missing \['{WEIGHT}'\].*Get the checkpoint again")


def test_weight_left_over_is_an_error(tmp_path: Path) -> None:
    name = "encoder.layer.2.mlp.wo.weight"
    edit_weights(write_jina_v2(tmp_path), **{name: torch.zeros(32, 64)})
    assert_refused(tmp_path, rf"unknown \['{name}'\]")


@pytest.mark.parametrize("weight", [torch.zeros(64, 32), torch.zeros(32, 64, dtype=torch.int8)])
def test_weight_of_another_shape_or_of_integers_is_an_error(
    tmp_path: Path, weight: torch.Tensor
) -> None:
    edit_weights(write_jina_v2(tmp_path), **{WEIGHT: weight})
    assert_refused(tmp_path, rf"{WEIGHT} .* instead of \(32, 64\) floats")


def test_name_with_and_without_prefix_is_an_error(tmp_path: Path) -> None:
    edit_weights(write_jina_v2(tmp_path), **{f"bert.{WEIGHT}": torch.zeros(32, 64)})
    assert_refused(tmp_path, "with and without 'bert.'")


@pytest.mark.parametrize("name", ["position_ids", "embeddings.position_ids"])
def test_buffer_of_positions_is_no_weight(tmp_path: Path, name: str) -> None:
    edit_weights(write_jina_v2(tmp_path), **{name: torch.arange(8192)[None]})
    JinaV2Backbone(tmp_path).load()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position_embedding_type", "absolute"),
        ("position_embedding_type", None),
        ("feed_forward_type", "original"),
        ("emb_pooler", "cls"),
        ("hidden_size", "32"),
        ("num_attention_heads", 0),
        ("layer_norm_eps", None),
    ],
)
def test_other_configuration_is_an_error(tmp_path: Path, key: str, value: object) -> None:
    edit_config(write_jina_v2(tmp_path), **{key: value})
    assert_refused(tmp_path, f"config.json: {key} is {value!r} and must be")


def test_heads_that_cannot_share_the_dimensions_are_an_error(tmp_path: Path) -> None:
    edit_config(write_jina_v2(tmp_path), num_attention_heads=5)
    assert_refused(tmp_path, "5 heads cannot share 32 dimensions")


def test_auto_map_and_weights_of_different_variants_are_an_error(tmp_path: Path) -> None:
    write_jina_v2(tmp_path / "plain")
    write_jina_v2(tmp_path / "other", variant="qk-post-norm")
    (tmp_path / "plain/config.json").rename(tmp_path / "other/config.json")
    assert_refused(tmp_path / "other", "auto_map .* jina-bert-implementation, .* qk-post-norm")


def test_weights_of_a_plain_bert_are_an_error(tmp_path: Path) -> None:
    edit_weights(write_jina_v2(tmp_path), **{"encoder.layer.0.mlp.gated_layers.weight": None})
    assert_refused(tmp_path, "of no known JinaBERT variant")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_missing_or_broken_file_is_an_error(tmp_path: Path, file: str) -> None:
    path = write_jina_v2(tmp_path) / file
    path.write_bytes(path.read_bytes()[:40])
    assert_refused(tmp_path, f"{file} cannot be read")
    path.unlink()
    assert_refused(tmp_path, f"{file} cannot be read")
