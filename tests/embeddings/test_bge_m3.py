"""BGE-M3's heads against values worked out by hand, its transformer against transformers."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import XLMRobertaModel

from embeddings.encoders.base import Task
from embeddings.encoders.models.bge_m3_heads import (
    M3Heads,
    dense,
    load_heads,
    multi_score,
    sparse_score,
    unweighted_ids,
)
from embeddings.encoders.models.xlm_roberta import XlmRobertaBackbone
from embeddings.encoders.tokenizer import load_tokenizer
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable
from tests.checkpoints.bge_m3 import HIDDEN, write_bge_m3
from tests.checkpoints.tokenizer_files import write_wordpiece

CLS, PAD, EOS, UNK = 0, 1, 2, 3
SPECIAL = frozenset({CLS, PAD, EOS, UNK})
INPUTS = [[0, 17, 42, 42, 99, 2], [0, 5, 2], [0, *range(10, 60), 2]]


def linear(weight: list[list[float]], bias: list[float]) -> torch.nn.Linear:
    """A layer of given numbers."""
    layer = torch.nn.Linear(len(weight[0]), len(weight)).requires_grad_(requires_grad=False)
    layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    return layer


@pytest.fixture
def heads() -> M3Heads:
    """Width 2: the token's weight is 2a - b + 0.5; its vector is (a + 1, 3b, a)."""
    return M3Heads(
        sparse_linear=linear([[2.0, -1.0]], [0.5]),
        colbert_linear=linear([[1.0, 0.0], [0.0, 3.0], [1.0, 0.0]], [1.0, 0.0, 0.0]),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint for the module, not to be changed."""
    return write_bge_m3(tmp_path_factory.mktemp("bge-m3"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkpoint to spoil."""
    return write_bge_m3(tmp_path / "bge-m3")


def states_of(backbone: XlmRobertaBackbone, inputs: list[list[int]]) -> list[torch.Tensor]:
    """All inputs in one call."""
    return backbone.states(inputs, [Task.RETRIEVAL_PASSAGE] * len(inputs))


# --- heads ------------------------------------------------------------------------------


def test_dense_is_the_first_state_at_unit_length() -> None:
    states = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    assert dense(states).tolist() == pytest.approx([0.6, 0.8])


def test_sparse_keeps_the_largest_weight_of_a_repeated_token(heads: M3Heads) -> None:
    # Weights by hand:        9    4.5          7.5         2.5         4
    states = torch.tensor([[5, 1.5], [2.0, 0.0], [3.5, 0.0], [1.0, 0.0], [2.0, 0.5]])
    weights = heads.sparse(states, [70, 50, 50, 50, 60], dropped=SPECIAL)
    assert weights == {50: 7.5, 60: 4.0, 70: 9.0}
    assert list(weights) == [50, 60, 70]


@pytest.mark.parametrize("special", sorted(SPECIAL))
def test_sparse_has_no_special_tokens(heads: M3Heads, special: int) -> None:
    states = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    assert heads.sparse(states, [special, 50], dropped=SPECIAL) == {50: 2.5}


def test_sparse_has_no_weights_of_zero_or_below(heads: M3Heads) -> None:
    # Weights by hand:        -3.5        0           0.5, also under a token that had -3.5
    states = torch.tensor([[0.0, 4.0], [0.0, 0.5], [0.0, 0.0], [0.0, 4.0]])
    assert heads.sparse(states, [50, 51, 52, 52], dropped=SPECIAL) == {52: 0.5}


def test_sparse_wants_an_id_for_each_state(heads: M3Heads) -> None:
    with pytest.raises(ValueError, match="zip"):
        heads.sparse(torch.zeros(3, 2), [50, 51], dropped=SPECIAL)


def test_multi_leaves_out_the_first_token_and_keeps_the_last(heads: M3Heads) -> None:
    states = torch.tensor([[9.0, 9.0], [0.0, 0.0], [2.0, 2.0]])
    # By hand: (1, 0, 0), and (3, 6, 2) of length 7.
    expected = [[1.0, 0.0, 0.0], [3 / 7, 6 / 7, 2 / 7]]
    assert torch.allclose(heads.multi(states), torch.tensor(expected))


def test_heads_take_states_in_half_precision(heads: M3Heads) -> None:
    states = torch.tensor([[9.0, 9.0], [2.0, 2.0]], dtype=torch.bfloat16)
    assert heads.multi(states).dtype == dense(states).dtype == torch.float32
    assert heads.sparse(states, [50, 51], dropped=SPECIAL) == {50: 9.5, 51: 2.5}


def test_sparse_score_is_the_sum_over_shared_tokens() -> None:
    a, b = {5: 0.5, 7: 2.0, 9: 4.0}, {7: 0.25, 8: 9.0, 9: 0.5}
    assert sparse_score(a, b) == sparse_score(b, a) == 2.5
    assert sparse_score(a, {1: 1.0}) == sparse_score(a, {}) == 0.0


def test_multi_score_is_the_mean_of_the_best_match_of_each_query_token() -> None:
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    passage = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, -1.0]])
    assert multi_score(query, passage) == pytest.approx((1.0 + 0.8) / 2)
    assert multi_score(passage, query) == pytest.approx((0.8 + 1.0 + 0.0) / 3)


def test_special_ids_come_from_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    assert unweighted_ids(load_tokenizer(folder)) == SPECIAL
    write_wordpiece(tmp_path)
    with pytest.raises(CheckpointInvalid, match="no <s>, </s>, <pad>, <unk>"):
        unweighted_ids(load_tokenizer(tmp_path))


# --- the heads' files -------------------------------------------------------------------


def test_loaded_heads_compute_with_the_numbers_of_the_files(folder: Path) -> None:
    sparse = torch.load(folder / "sparse_linear.pt", weights_only=True)
    colbert = torch.load(folder / "colbert_linear.pt", weights_only=True)
    assert colbert["weight"].dtype == torch.float16
    states = torch.randn(40, HIDDEN, generator=torch.Generator().manual_seed(1))
    ids = list(range(100, 140))
    heads = load_heads(folder, HIDDEN)
    logits = (states.double() @ sparse["weight"].double().T + sparse["bias"].double())[:, 0]
    expected = {i: w for i, w in zip(ids, logits.tolist(), strict=True) if w > 0}
    assert 5 < len(expected) < 35
    assert heads.sparse(states, ids, dropped=SPECIAL) == pytest.approx(expected, abs=1e-5)
    rows = states[1:].double() @ colbert["weight"].double().T + colbert["bias"].double()
    unit = rows / rows.norm(dim=1, keepdim=True)
    assert torch.allclose(heads.multi(states).double(), unit, atol=1e-6)


@pytest.mark.parametrize("name", ["sparse_linear.pt", "colbert_linear.pt"])
def test_missing_head_is_an_error_that_names_the_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(CheckpointInvalid, match=rf"{name} cannot be read.*Get the file again"):
        load_heads(copy, HIDDEN)


@pytest.mark.parametrize(
    "state",
    [
        {"weight": torch.zeros(1, HIDDEN)},
        {"weight": torch.zeros(1, HIDDEN), "bias": torch.zeros(1), "more": torch.zeros(1)},
        [torch.zeros(1, HIDDEN), torch.zeros(1)],
        {"weight": 1.0, "bias": 0.0},
    ],
    ids=["no bias", "unknown key", "a list", "plain numbers"],
)
def test_head_with_other_contents_is_an_error(copy: Path, state: object) -> None:
    torch.save(state, copy / "sparse_linear.pt")
    with pytest.raises(CheckpointInvalid, match=r"sparse_linear\.pt holds .* instead of"):
        load_heads(copy, HIDDEN)


@pytest.mark.parametrize(
    ("name", "weight", "bias"),
    [
        ("sparse_linear.pt", (2, HIDDEN), (2,)),
        ("sparse_linear.pt", (1, HIDDEN + 1), (1,)),
        ("sparse_linear.pt", (1, HIDDEN), ()),
        ("colbert_linear.pt", (HIDDEN, HIDDEN // 2), (HIDDEN,)),
        ("colbert_linear.pt", (HIDDEN, HIDDEN), (1,)),
        ("colbert_linear.pt", (HIDDEN,), (HIDDEN,)),
        ("colbert_linear.pt", (), ()),
    ],
)
def test_head_of_another_shape_is_an_error(
    copy: Path, name: str, weight: tuple[int, ...], bias: tuple[int, ...]
) -> None:
    torch.save({"weight": torch.zeros(weight), "bias": torch.zeros(bias)}, copy / name)
    with pytest.raises(CheckpointInvalid, match=rf"{name}: shapes .* do not fit"):
        load_heads(copy, HIDDEN)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_code_in_a_head_is_not_run(copy: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    torch.save({"weight": Payload(ran), "bias": torch.zeros(1)}, copy / "sparse_linear.pt")
    with pytest.raises(CheckpointInvalid, match=r"sparse_linear\.pt cannot be read"):
        load_heads(copy, HIDDEN)
    assert not ran.exists()
    pickle.loads(pickle.dumps(Payload(ran)))  # noqa: S301 - the payload works
    assert ran.exists()


# --- the transformer --------------------------------------------------------------------


def test_states_equal_those_of_transformers(folder: Path) -> None:
    reference: Any = XLMRobertaModel.from_pretrained(folder)
    reference.eval()
    ours = states_of(XlmRobertaBackbone(folder), INPUTS)
    for ids, states in zip(INPUTS, ours, strict=True):
        with torch.inference_mode():
            expected = reference(input_ids=torch.tensor([ids])).last_hidden_state[0]
        assert states.shape == (len(ids), HIDDEN)
        assert states.dtype == torch.float32
        assert torch.allclose(states, expected, atol=1e-5)


def test_states_differ_between_texts(folder: Path) -> None:
    backbone = XlmRobertaBackbone(folder)
    one, other = states_of(backbone, [[0, 17, 42, 2], [0, 17, 43, 2]])
    assert (one - other).abs().max() > 0.1


def test_company_in_the_batch_does_not_change_states(folder: Path) -> None:
    backbone = XlmRobertaBackbone(folder)
    together = states_of(backbone, INPUTS)
    for ids, states in zip(INPUTS, together, strict=True):
        (alone,) = states_of(backbone, [ids])
        assert torch.allclose(states, alone, atol=1e-5)


def test_pickled_weights_give_the_same_states(folder: Path, tmp_path: Path) -> None:
    pickled = write_bge_m3(tmp_path / "bin", weights="bin")
    assert not list(pickled.glob("*.safetensors"))
    ours = states_of(XlmRobertaBackbone(pickled), INPUTS)
    for states, expected in zip(ours, states_of(XlmRobertaBackbone(folder), INPUTS), strict=True):
        assert torch.equal(states, expected)


def test_no_inputs_no_states(folder: Path) -> None:
    assert states_of(XlmRobertaBackbone(folder), []) == []


def test_positions_begin_after_the_padding(tmp_path: Path) -> None:
    write_bge_m3(tmp_path)
    edit_json(tmp_path / "config.json", max_position_embeddings=66)
    state = load_file(tmp_path / "model.safetensors")
    name = "embeddings.position_embeddings.weight"
    save_file(state | {name: state[name][:66].clone()}, tmp_path / "model.safetensors")
    backbone = XlmRobertaBackbone(tmp_path)
    assert backbone.positions == 64
    (states,) = states_of(backbone, [[0, *[9] * 62, 2]])
    assert len(states) == 64
    with pytest.raises(TextNotEmbeddable, match="65 tokens do not fit the 64 positions"):
        states_of(backbone, [[0, *[9] * 63, 2]])
    with pytest.raises(TextNotEmbeddable, match="0 tokens"):
        states_of(backbone, [[0, 9, 2], []])


def test_width_is_that_of_the_configuration(copy: Path) -> None:
    assert XlmRobertaBackbone(copy).positions == 8192
    assert XlmRobertaBackbone(copy).hidden == HIDDEN
    assert not XlmRobertaBackbone(copy).wide
    edit_json(copy / "config.json", hidden_size=512)
    assert XlmRobertaBackbone(copy).wide


def edit_json(path: Path, **values: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "bert"}, "model_type is 'bert'"),
        ({"auto_map": {"AutoModel": "modeling.Model"}}, "code of its own"),
    ],
)
def test_other_configuration_is_an_error(
    copy: Path, values: dict[str, object], message: str
) -> None:
    edit_json(copy / "config.json", **values)
    with pytest.raises(CheckpointInvalid, match=message):
        XlmRobertaBackbone(copy).load()


@pytest.mark.parametrize("weights", ["safetensors", "bin"])
def test_missing_or_unknown_weights_are_an_error(tmp_path: Path, weights: Any) -> None:
    write_bge_m3(tmp_path, weights=weights)
    name = "encoder.layer.1.output.dense.weight"
    if weights == "bin":
        file = tmp_path / "pytorch_model.bin"
        state = torch.load(file, weights_only=True)
        torch.save({f"{key}s" if key == name else key: state[key] for key in state}, file)
    else:
        file = tmp_path / "model.safetensors"
        state = load_file(file)
        save_file({f"{key}s" if key == name else key: state[key] for key in state}, file)
    with pytest.raises(CheckpointInvalid, match=rf"missing \['{name}'\], unknown \['{name}s'\]"):
        XlmRobertaBackbone(tmp_path).load()


@pytest.mark.parametrize("weights", ["safetensors", "bin"])
@pytest.mark.parametrize("size", [0, 1000], ids=["empty", "half"])
def test_broken_weights_are_an_error(tmp_path: Path, weights: Any, size: int) -> None:
    write_bge_m3(tmp_path, weights=weights)
    name = "pytorch_model.bin" if weights == "bin" else "model.safetensors"
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:size])
    with pytest.raises(CheckpointInvalid, match=tmp_path.name):
        XlmRobertaBackbone(tmp_path).load()


def test_no_weights_at_all_are_an_error(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointInvalid, match=r"model\.safetensors"):
        XlmRobertaBackbone(copy).load()


def test_code_in_pickled_weights_is_not_run(tmp_path: Path) -> None:
    write_bge_m3(tmp_path, weights="bin")
    ran = tmp_path / "ran"
    torch.save({"embeddings.word_embeddings.weight": Payload(ran)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointInvalid, match=tmp_path.name):
        XlmRobertaBackbone(tmp_path).load()
    assert not ran.exists()
