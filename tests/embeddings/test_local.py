"""What all local encoders share: who goes first, and the families' own vectors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import XLMRobertaModel

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Document, Matrix, Task
from embeddings.encoders.local import LocalEncoder, Parts
from embeddings.encoders.models.bge_m3 import BgeM3Encoder, bge_m3
from embeddings.encoders.models.jina_v2 import JinaV2Backbone, jina_v2
from embeddings.encoders.strategies import cutting_for
from embeddings.encoders.tokenizer import load_tokenizer
from tests.checkpoints.bge_m3 import write_bge_m3
from tests.checkpoints.jina_v2 import write_jina_v2
from tests.checkpoints.tokenizer_files import write_wordpiece

TEXT = "How do I get my money back? A refund is paid."
BODY = "Connect the calendar in the settings. " * 60


class HeldBackbone:
    """Notes the task of each pass, and waits until it may go on."""

    hidden, positions, wide = 4, 64, True

    def __init__(self) -> None:
        self.passes: list[Task] = []
        self.entered, self.go = threading.Event(), threading.Event()

    def load(self) -> None:
        """Nothing to load."""

    def states(self, inputs: Sequence[Ids], tasks: Sequence[Task]) -> list[torch.Tensor]:
        """Ones."""
        self.passes.append(tasks[0])
        self.entered.set()
        assert self.go.wait(10)
        return [torch.ones(len(ids), self.hidden) for ids in inputs]


def test_a_question_overtakes_articles(tmp_path: Path) -> None:
    write_wordpiece(tmp_path)
    backbone = HeldBackbone()
    encoder = LocalEncoder(
        Parts(
            identity=lambda: "held",
            name="held",
            backbone=backbone,
            tokenizer=load_tokenizer(tmp_path),
            pooling="mean",
            strategy="windows",
            cutting=cutting_for("windows", window=64, pooling="mean"),
            window=64,
            dimension=4,
        )
    )
    with ThreadPoolExecutor(2) as people:
        articles = people.submit(encoder.encode_documents, [Document(title="T", body=BODY * 20)])
        assert backbone.entered.wait(10)
        question = people.submit(encoder.encode_queries, [TEXT])
        while not encoder._queue._urgent:
            threading.Event().wait(0.01)
        backbone.go.set()
        assert question.result(10).shape == (1, 4)
        articles.result(10)
    assert len(backbone.passes) > 3
    assert backbone.passes[1] == Task.RETRIEVAL_QUERY


def unit(vector: Matrix) -> Matrix:
    """At unit length."""
    return vector / np.linalg.norm(vector)


class TestBgeM3:
    """The encoder, beside its heads (test_bge_m3.py)."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A tiny one."""
        return write_bge_m3(tmp_path)

    @pytest.fixture
    def encoder(self, folder: Path) -> BgeM3Encoder:
        """As shipped."""
        return bge_m3(checkpoint=str(folder))

    def states(self, folder: Path, text: str) -> Matrix:
        """Token states by transformers alone."""
        tokenizer = load_tokenizer(folder)
        ids = torch.tensor([tokenizer.wrap(tokenizer.ids(text))])
        model: Any = XLMRobertaModel.from_pretrained(folder, add_pooling_layer=False)
        with torch.inference_mode():
            found: Matrix = model.eval()(input_ids=ids).last_hidden_state[0].numpy()
        return found

    def test_dense_is_the_first_token_without_any_prompt(
        self, folder: Path, encoder: BgeM3Encoder
    ) -> None:
        expected = unit(self.states(folder, TEXT)[0])
        for task in Task:
            assert encoder.encode([TEXT], task)[0] == pytest.approx(expected, abs=1e-5)

    def test_article_is_one_pass_over_all_of_it(self, folder: Path, encoder: BgeM3Encoder) -> None:
        [embedded] = encoder.encode_documents([Document(title="Calendar", body=BODY)])
        assert len(embedded.passages) > 2
        expected = unit(self.states(folder, f"Calendar\n\n{BODY}")[0])
        assert embedded.vector == pytest.approx(expected, abs=1e-5)

    def test_sparse_and_multi_are_of_the_same_states(
        self, folder: Path, encoder: BgeM3Encoder
    ) -> None:
        states = torch.tensor(self.states(folder, TEXT))
        ids = load_tokenizer(folder).wrap(load_tokenizer(folder).ids(TEXT))
        sparse = torch.load(folder / "sparse_linear.pt", weights_only=True)
        colbert = torch.load(folder / "colbert_linear.pt", weights_only=True)
        weights = torch.relu(states @ sparse["weight"].float().T + sparse["bias"].float())
        expected: dict[int, float] = {}
        for number, weight in zip(ids, weights[:, 0].tolist(), strict=True):
            if number > 3 and weight > 0:  # not <s>, <pad>, </s>, <unk>
                expected[number] = max(weight, expected.get(number, 0.0))
        assert expected
        [found] = encoder.encode_sparse([TEXT])
        assert found == pytest.approx(expected, abs=1e-4)
        rows = states[1:] @ colbert["weight"].float().T + colbert["bias"].float()
        [vectors] = encoder.encode_multi_vector([TEXT])
        unit_rows = torch.nn.functional.normalize(rows, dim=1).numpy()
        assert vectors == pytest.approx(unit_rows, abs=1e-4)


def test_jina_v2_is_the_mean_of_its_states_without_any_prompt(tmp_path: Path) -> None:
    folder = write_jina_v2(tmp_path, variant="plain", heads=8, glu="geglu")
    encoder = jina_v2(checkpoint=str(folder))
    tokenizer = load_tokenizer(folder)
    [states] = JinaV2Backbone(folder).states(
        [tokenizer.wrap(tokenizer.ids(TEXT))], [Task.RETRIEVAL_QUERY]
    )
    expected = unit(states.numpy().mean(axis=0))
    for task in Task:
        assert encoder.encode([TEXT], task)[0] == pytest.approx(expected, abs=1e-5)
