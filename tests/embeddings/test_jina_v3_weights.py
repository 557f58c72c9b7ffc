"""Golden values of the published jina-embeddings-v3, where its weights are at hand.

From the tests of transformers (tests/models/jina_embeddings_v3): token 1, dimensions 1 to 9.
"""

from __future__ import annotations

import pytest
import torch

from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import find_checkpoint, load_transformer
from embeddings.encoders.models.jina_v3 import CHECKPOINT, REVISION, JinaV3Backbone
from embeddings.encoders.tokenizer import load_tokenizer

pytestmark = pytest.mark.weights

PROMPT = "Jina Embeddings V3 is great for semantic search."
BASE = [-3.1011, 0.8560, -0.2491, 0.9427, 1.4015, -1.1527, 1.3804, -0.5453, -1.8164]
BY_TASK = {
    Task.RETRIEVAL_QUERY: [
        -1.9765, 0.7356, -0.4414, 0.5823, 2.1507, -0.8906, 0.0233, -0.2389, -1.5708,
    ],
    Task.RETRIEVAL_PASSAGE: [
        -1.7028, 0.5688, -0.8541, 0.4696, 2.5396, -0.8374, -0.1404, -0.3123, -1.4636,
    ],
    Task.SEPARATION: [
        -3.0336, 1.4392, 0.2875, 0.7660, 0.7054, -1.1701, 1.6121, -0.6325, -1.5177,
    ],
    Task.CLASSIFICATION: [
        -2.7150, 0.2485, 1.2297, 0.6988, 0.9804, -1.2831, 1.3446, -0.1663, -0.6874,
    ],
    Task.TEXT_MATCHING: [
        -1.5888, 1.0527, 0.1237, -0.0822, 1.6507, -1.0371, -0.8815, -0.8082, -0.6564,
    ],
}  # fmt: skip


def test_base_and_every_adapter_give_the_published_states() -> None:
    adapters = [f"{task.value.replace('.', '_').replace('-', '_')}/*" for task in Task]
    folder = find_checkpoint(CHECKPOINT, revision=REVISION, also=adapters)
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.wrap(tokenizer.ids(PROMPT))
    assert len(ids) == 17
    base = load_transformer(folder, model_class="JinaEmbeddingsV3Model", add_pooling_layer=False)
    backbone = JinaV3Backbone(folder)
    with torch.inference_mode():
        states = base(input_ids=torch.tensor([ids])).last_hidden_state[0]
        assert states[1, 1:10].tolist() == pytest.approx(BASE, abs=1e-4)
        for task, expected in BY_TASK.items():
            [adapted] = backbone.states([ids], [task])
            assert adapted[1, 1:10].tolist() == pytest.approx(expected, abs=1e-4)
