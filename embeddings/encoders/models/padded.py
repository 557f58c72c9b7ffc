"""Inputs of different lengths as one padded batch, and their states taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from embeddings.encoders.backbone import Ids


def pad(
    inputs: Sequence[Ids], *, pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Ids of shape (n, longest) and their mask; no mask where nothing is padded, which is
    faster and, past a few thousand tokens, saves the memory of a mask per pair of tokens."""
    longest = max(len(ids) for ids in inputs)
    rows = [[*ids, *[pad_id] * (longest - len(ids))] for ids in inputs]
    ids = torch.tensor(rows, dtype=torch.long)
    if all(len(each) == longest for each in inputs):
        return ids.to(device), None
    lengths = torch.tensor([len(each) for each in inputs])
    mask = (torch.arange(longest)[None] < lengths[:, None]).long()
    return ids.to(device), mask.to(device)


def unpad(states: torch.Tensor, inputs: Sequence[Ids]) -> list[torch.Tensor]:
    """Each input's own rows of (n, longest, hidden)."""
    return [row[: len(ids)] for row, ids in zip(states, inputs, strict=True)]
