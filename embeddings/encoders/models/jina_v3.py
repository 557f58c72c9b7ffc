"""jina-embeddings-v3: one transformer, five LoRA adapters (arXiv 2409.10173).

The checkpoint is `jinaai/jina-embeddings-v3-hf`: weights for transformers' own class, and
adapters as PEFT folders beside them. Prompts stand in front of questions and passages as the
model's reference `encode(task=)` puts them; the model class itself adds none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import torch

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import (
    digest,
    find_checkpoint,
    load_transformer,
    read_json,
    weight_files,
)
from embeddings.encoders.compute import device, precision
from embeddings.encoders.local import LocalEncoder, Parts
from embeddings.encoders.models.adapters import load_adapters
from embeddings.encoders.models.padded import pad, unpad
from embeddings.encoders.models.ready import make_ready
from embeddings.encoders.strategies import Sizes, cutting_for
from embeddings.encoders.tokenizer import load_tokenizer
from embeddings.errors import CheckpointInvalid

CHECKPOINT = "jinaai/jina-embeddings-v3-hf"
REVISION = "d18862d9a48706220815554fac3ebb4dfa46fc28"
MODEL_TYPE = "jina_embeddings_v3"
WINDOW = 8192
SMALLEST_DIMENSION = 32

ADAPTERS: Mapping[Task, str] = {
    Task.RETRIEVAL_QUERY: "retrieval_query",
    Task.RETRIEVAL_PASSAGE: "retrieval_passage",
    Task.SEPARATION: "separation",
    Task.CLASSIFICATION: "classification",
    Task.TEXT_MATCHING: "text_matching",
}
PROMPTS: Mapping[Task, str] = {
    Task.RETRIEVAL_QUERY: "Represent the query for retrieving evidence documents: ",
    Task.RETRIEVAL_PASSAGE: "Represent the document for retrieval: ",
}


def jina_v3(
    *,
    checkpoint: str = CHECKPOINT,
    revision: str | None = None,
    dimension: int | None = None,
    strategy: str = "whole_late",
    **sizes: Unpack[Sizes],
) -> LocalEncoder:
    """The encoder; `dimension` shortens its vectors (32 to the model's width).

    Raises CheckpointInvalid, or EncoderUnavailable when the hub is away.
    """
    pinned = REVISION if checkpoint == CHECKPOINT else None
    adapters = [f"{name}/*" for name in ADAPTERS.values()]
    folder = find_checkpoint(checkpoint, revision=revision or pinned, also=adapters)
    backbone = JinaV3Backbone(folder)
    window = min(WINDOW, backbone.positions)
    vocabulary = int(backbone.config["vocab_size"])
    return LocalEncoder(
        Parts(
            identity=lambda: f"jina-v3:{Path(checkpoint).name}@{_digest(folder)}",
            name="jina-embeddings-v3",
            backbone=backbone,
            tokenizer=load_tokenizer(folder, vocabulary=vocabulary),
            pooling="mean",
            strategy=strategy,
            cutting=cutting_for(strategy, window=window, pooling="mean", **sizes),
            window=window,
            dimension=_dimension(dimension, backbone.hidden),
            smallest_dimension=SMALLEST_DIMENSION,
            prompts=PROMPTS,
        )
    )


def _dimension(wanted: int | None, hidden: int) -> int:
    if wanted is not None and not min(SMALLEST_DIMENSION, hidden) <= wanted <= hidden:
        raise CheckpointInvalid(
            f"jina-v3 has vectors of {SMALLEST_DIMENSION} to {hidden} dimensions, not {wanted}."
        )
    return wanted or hidden


def _digest(folder: Path) -> str:
    adapters = [folder / name for name in ADAPTERS.values()]
    files = [each / "adapter_config.json" for each in adapters]
    files += [each / "adapter_model.safetensors" for each in adapters]
    names = ("config.json", "tokenizer.json")
    return digest([*weight_files(folder), *(folder / name for name in names), *files])


class JinaV3Backbone:
    """The transformer with all five adapters in memory; each input runs through its own.

    One pass at a time: which adapter is active is a state of the model, and a lock keeps
    another thread from changing it under a pass.
    """

    wide = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json. Raises CheckpointInvalid for the repository with code of its own."""
        config = read_json(self._folder / "config.json")
        if config.get("model_type") != MODEL_TYPE:
            raise CheckpointInvalid(
                f"{self._folder} holds a model of type {config.get('model_type')!r}, not "
                f"{MODEL_TYPE!r}: the original repository needs code of its own, which is never "
                f"run; take {CHECKPOINT}."
            )
        return config

    @property
    def hidden(self) -> int:
        """Width of the token states."""
        return int(self.config["hidden_size"])

    @property
    def positions(self) -> int:
        """Rotary positions count from 0; two of the table's are not used, as in XLM-RoBERTa."""
        return int(self.config["max_position_embeddings"]) - 2

    def load(self) -> None:
        """Load the model and its adapters once."""
        with self._lock:
            self._model  # noqa: B018 - loads

    def states(self, inputs: Sequence[Ids], tasks: Sequence[Task]) -> list[torch.Tensor]:
        """One padded batch per task.

        PEFT could mix tasks row by row, but a pass that fails midway (memory) leaves its
        hooks behind, and with them the wrong adapter for whoever comes next.
        """
        found: dict[int, torch.Tensor] = {}
        for task in dict.fromkeys(tasks):
            rows = [row for row, each in enumerate(tasks) if each == task]
            states = self._states([inputs[row] for row in rows], ADAPTERS[task])
            found.update(zip(rows, states, strict=True))
        return [found[row] for row in range(len(inputs))]

    def _states(self, inputs: Sequence[Ids], adapter: str) -> list[torch.Tensor]:
        ids, mask = pad(inputs, pad_id=int(self.config["pad_token_id"]), device=device())
        with self._lock:
            if self._model.active_adapter != adapter:
                self._model.set_adapter(adapter)
            output = self._model(input_ids=ids, attention_mask=mask)
        return unpad(output.last_hidden_state, inputs)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - a torch module
        started = time.monotonic()
        base = load_transformer(
            self._folder,
            model_class="JinaEmbeddingsV3Model",
            dtype=precision(),
            add_pooling_layer=False,
        )
        model = load_adapters(base, self._folder, list(ADAPTERS.values()))
        return make_ready(self._folder.name, model, started=started)
