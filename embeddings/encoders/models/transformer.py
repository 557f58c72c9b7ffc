"""Backbone over a model class of transformers: BERT, MPNet, XLM-RoBERTa and their like."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import load_transformer, read_json
from embeddings.encoders.compute import device, precision
from embeddings.encoders.models.padded import pad, unpad
from embeddings.encoders.models.ready import make_ready
from embeddings.errors import CheckpointInvalid

# From this width on, an operation is large enough for all cores (docs/decisions/005).
WIDE_FROM = 512
NEEDED = ("hidden_size", "max_position_embeddings", "vocab_size")
# Families that count positions from the padding id + 1.
OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet"}


class TransformerBackbone:
    """Any encoder that AutoModel knows, strictly loaded, without remote code."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._folder = folder
        self._options = options
        self._loading = threading.Lock()

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json. Raises CheckpointInvalid where the model would need code of its own."""
        config = read_json(self._folder / "config.json")
        if "auto_map" in config:
            raise CheckpointInvalid(
                f"{self._folder}: this checkpoint brings code of its own, which is never run. "
                "Use the family made for it (jina-v2, jina-v3), or another checkpoint."
            )
        lacking = [key for key in NEEDED if not isinstance(config.get(key), int)]
        if lacking:
            raise CheckpointInvalid(
                f"{self._folder}: config.json lacks {', '.join(lacking)}: models of type "
                f"{config.get('model_type')!r} are not supported here. Serve such a model by a "
                "server of its own (family remote)."
            )
        return config

    @property
    def hidden(self) -> int:
        """Width of the token states."""
        return int(self.config["hidden_size"])

    @property
    def positions(self) -> int:
        """Most tokens of one forward pass, special tokens included."""
        offset = 0
        if self.config.get("model_type") in OFFSET_POSITIONS:
            offset = int(self.config.get("pad_token_id") or 1) + 1
        return int(self.config["max_position_embeddings"]) - offset

    @property
    def wide(self) -> bool:
        """Whether one pass is worth all cores."""
        return self.hidden >= WIDE_FROM

    def load(self) -> None:
        """Load the weights once; two threads do not load twice. Raises CheckpointInvalid."""
        _ = self.config  # refused before its weights are read
        with self._loading:
            self._model  # noqa: B018 - loads

    def states(self, inputs: Sequence[Ids], tasks: Sequence[Task]) -> list[torch.Tensor]:  # noqa: ARG002 - no adapters
        """One padded batch, masked where needed."""
        self.load()
        ids, mask = pad(inputs, pad_id=self._pad_id, device=device())
        output = self._model(input_ids=ids, attention_mask=mask)
        return unpad(output.last_hidden_state, inputs)

    @property
    def _pad_id(self) -> int:
        return int(self.config.get("pad_token_id") or 0)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - a torch module
        started = time.monotonic()
        model = load_transformer(self._folder, dtype=precision(), **self._options)
        return make_ready(self._folder.name, model, started=started)
