"""The seam inside a local encoder: token ids in, token states out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import torch

from embeddings.encoders.base import Task

Ids: TypeAlias = Sequence[int]


class Backbone(Protocol):
    """A transformer without its pooling. Loads its weights on first use, once per process."""

    @property
    def hidden(self) -> int:
        """Width of the token states."""

    @property
    def positions(self) -> int:
        """Most tokens of one forward pass, special tokens included."""

    @property
    def wide(self) -> bool:
        """True for models whose every operation is worth all cores (and for GPUs): one forward
        pass at a time; False: one single-threaded pass per core (docs/decisions/005)."""

    def load(self) -> None:
        """Load the weights now (idempotent, thread-safe).

        Raises CheckpointInvalid, or EncoderUnavailable (safe to retry).
        """

    def states(self, inputs: Sequence[Ids], tasks: Sequence[Task]) -> list[torch.Tensor]:
        """Last hidden states, one tensor of shape (len(ids), hidden) per input, in order.

        Thread-safe. Which other inputs are in the call does not change an input's states, and
        each is computed with the adapter of its own task where the model has adapters.
        """
