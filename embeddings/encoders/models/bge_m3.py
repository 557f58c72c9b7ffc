"""BGE-M3: dense, sparse and multi-vector from one model (arXiv 2402.03216).

Dense vectors are the first token's state, which late chunking does not suit: passages are
windows with the title in front, and the article's own vector is one pass over all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Unpack

import torch

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import digest, find_checkpoint
from embeddings.encoders.late import States
from embeddings.encoders.local import LocalEncoder, Parts
from embeddings.encoders.models.bge_m3_heads import (
    M3Heads,
    SparseVector,
    load_heads,
    unweighted_ids,
)
from embeddings.encoders.models.xlm_roberta import XlmRobertaBackbone, m3_weight_files
from embeddings.encoders.strategies import Sizes, cutting_for
from embeddings.encoders.tokenizer import load_tokenizer

CHECKPOINT = "BAAI/bge-m3"
HEADS = ("sparse_linear.pt", "colbert_linear.pt")
# Its makers' own classes cut at 512 tokens unless told otherwise; the model takes this many.
WINDOW = 8192


class BgeM3Encoder(LocalEncoder):
    """Dense vectors as every encoder, and the two other kinds on request."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        super().__init__(parts)
        self._folder = folder

    def encode_sparse(self, texts: Sequence[str]) -> list[SparseVector]:
        """Token id to weight, for scores by shared words (`sparse_score`)."""
        dropped = unweighted_ids(self._parts.tokenizer)

        def head(states: torch.Tensor, ids: Ids) -> SparseVector:
            return self._heads.sparse(states, ids, dropped=dropped)

        return self.run_head(texts, Task.RETRIEVAL_PASSAGE, head)

    def encode_multi_vector(self, texts: Sequence[str]) -> list[States]:
        """A unit vector per token but the first: shape (tokens - 1, d) (`multi_score`)."""

        def head(states: torch.Tensor, _: Ids) -> States:
            vectors: States = self._heads.multi(states).cpu().numpy()
            return vectors

        return self.run_head(texts, Task.RETRIEVAL_PASSAGE, head)

    @cached_property
    def _heads(self) -> M3Heads:
        return load_heads(self._folder, self._parts.backbone.hidden)


def bge_m3(
    *,
    checkpoint: str = CHECKPOINT,
    revision: str | None = None,
    strategy: str = "windows",
    **sizes: Unpack[Sizes],
) -> BgeM3Encoder:
    """The encoder. Raises CheckpointInvalid, or EncoderUnavailable when the hub is away."""
    also = ("*.pt", "pytorch_model.bin")
    folder = find_checkpoint(checkpoint, revision=revision, also=also)
    backbone = XlmRobertaBackbone(folder)
    window = min(WINDOW, backbone.positions)
    files = [
        *m3_weight_files(folder),
        folder / "config.json",
        folder / "tokenizer.json",
        *(folder / h for h in HEADS),
    ]
    return BgeM3Encoder(
        Parts(
            identity=lambda: f"bge-m3:{Path(checkpoint).name}@{digest(files)}",
            name="bge-m3",
            backbone=backbone,
            tokenizer=load_tokenizer(folder, vocabulary=int(backbone.config["vocab_size"])),
            pooling="cls",
            strategy=strategy,
            cutting=cutting_for(
                strategy,
                window=window,
                pooling="cls",
                whole_pass=strategy == "windows",
                **sizes,
            ),
            window=window,
            dimension=backbone.hidden,
        ),
        folder,
    )
