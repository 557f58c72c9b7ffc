"""XLM-RoBERTa (arXiv 1911.02116) with long positions: the transformer of BAAI/bge-m3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import weight_files
from embeddings.encoders.models.transformer import TransformerBackbone
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable

PICKLED_WEIGHTS = "pytorch_model.bin"


class XlmRobertaBackbone(TransformerBackbone):
    """From model.safetensors or, as BGE-M3 was published, from pytorch_model.bin alone.

    That file is read as tensors only: code in it is refused, never run.
    """

    def __init__(self, folder: Path) -> None:
        safe = m3_weight_files(folder)[0].name != PICKLED_WEIGHTS
        super().__init__(folder, add_pooling_layer=False, use_safetensors=safe)

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json. Raises CheckpointInvalid for another family."""
        config: dict[str, Any] = super().config
        if config.get("model_type") != "xlm-roberta":
            raise CheckpointInvalid(
                f"{self._folder}: model_type is {config.get('model_type')!r} instead of "
                "'xlm-roberta'. Use the family that the checkpoint belongs to."
            )
        return config

    def states(self, inputs: Sequence[Ids], tasks: Sequence[Task]) -> list[torch.Tensor]:
        """Float32 whatever the precision of the pass.

        Raises TextNotEmbeddable for an empty input or one over `positions` tokens.
        """
        if not inputs:
            return []
        for ids in inputs:
            if not 0 < len(ids) <= self.positions:
                raise TextNotEmbeddable(
                    f"{len(ids)} tokens do not fit the {self.positions} positions of "
                    f"{self._folder.name}."
                )
        with torch.inference_mode():
            return [each.float() for each in super().states(inputs, tasks)]


def m3_weight_files(folder: Path) -> list[Path]:
    """The files that the transformer's weights come from: safetensors before a pickle."""
    files = weight_files(folder)
    pickled = folder / PICKLED_WEIGHTS
    return [pickled] if pickled.exists() and not files[0].exists() else files
