"""Linear layers by oneDNN: the same numbers, whatever the machine prefers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from embeddings.encoders.base import Task
from embeddings.encoders.models.ready import OneDnnLinear, make_ready, use_onednn
from embeddings.encoders.models.short import short_encoder
from tests.checkpoints.sentence_layout import write_sentence_layout


@pytest.mark.parametrize("shape", [(1, 48), (7, 48), (2, 5, 48), (3, 700, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_are_those_of_pytorch(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(5)
    linear = nn.Linear(48, 96, bias=bias)
    rows = torch.randn(shape)
    with torch.inference_mode():
        expected = linear(rows)
        linear.__class__ = OneDnnLinear
        assert torch.abs(linear(rows) - expected).max() < 1e-5


def test_a_model_keeps_its_weights_and_its_answers() -> None:
    torch.manual_seed(6)
    model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    rows = torch.randn(9, 64)
    with torch.inference_mode():
        expected = model(rows)
        ready = make_ready("a model", model, started=0.0)
        assert torch.abs(ready(rows) - expected).max() < 1e-5
    assert all(torch.equal(value, before[key]) for key, value in ready.state_dict().items())


def test_half_precision_and_models_without_products_stay_as_they_are() -> None:
    assert not use_onednn(nn.Linear(8, 8).to(torch.bfloat16))
    assert not use_onednn(nn.LayerNorm(8))


def test_vectors_are_the_same_either_way(tmp_path: Path) -> None:
    """What this machine chose is compared with the other choice."""
    encoder = short_encoder(checkpoint=str(write_sentence_layout(tmp_path / "model")))
    texts = ["How do I get my money back?", "a refund"]
    chosen = encoder.encode(texts, Task.TEXT_MATCHING)
    model = encoder._parts.backbone._model  # type: ignore[attr-defined]
    linears = [each for each in model.modules() if isinstance(each, nn.Linear)]
    other = nn.Linear if type(linears[0]) is OneDnnLinear else OneDnnLinear
    for each in linears:
        each.__class__ = other
    assert np.abs(encoder.encode(texts, Task.TEXT_MATCHING) - chosen).max() < 1e-5
