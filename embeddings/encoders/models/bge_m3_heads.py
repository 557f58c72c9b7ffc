"""The three heads of BGE-M3 over the token states of one text (arXiv 2402.03216, section 3.2).

One pass of the transformer gives a dense vector (meaning), a weight for each token (the words
themselves) and a vector for each token (late interaction, as in ColBERT, arXiv 2004.12832).
States have the shape (n, hidden): one row for every token of the input, the special ones
included, of any precision and on any device. The heads compute in float32.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch.nn.functional import normalize

from embeddings.encoders.compute import device
from embeddings.encoders.tokenizer import TextTokenizer
from embeddings.errors import CheckpointInvalid

SparseVector: TypeAlias = dict[int, float]  # token id -> weight, every weight above 0

UNWEIGHTED_TOKENS = ("<s>", "</s>", "<pad>", "<unk>")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class M3Heads:
    """The two heads that have weights of their own."""

    sparse_linear: torch.nn.Linear
    colbert_linear: torch.nn.Linear

    def sparse(
        self, states: torch.Tensor, ids: Sequence[int], *, dropped: AbstractSet[int]
    ) -> SparseVector:
        """The weight of each token id: relu of the linear layer, the largest if it occurs twice.

        `ids` are those of the rows of `states`. Ids in `dropped` and weights of 0 are left out.
        The order is that of the ids, so equal states give equal answers.
        """
        with torch.inference_mode():
            weights = _apply(self.sparse_linear, states).squeeze(1).tolist()
        largest: SparseVector = {}
        for number, weight in zip(ids, weights, strict=True):
            # Compared with 0 at first, which is the relu.
            if weight > largest.get(number, 0.0) and number not in dropped:
                largest[number] = weight
        return dict(sorted(largest.items()))

    def multi(self, states: torch.Tensor) -> torch.Tensor:
        """A unit vector for each token but the first (<s>): shape (n - 1, d)."""
        with torch.inference_mode():
            return normalize(_apply(self.colbert_linear, states[1:]), dim=1)


def dense(states: torch.Tensor) -> torch.Tensor:
    """The state of the first token (<s>) at unit length: shape (hidden,)."""
    return normalize(states[0].float(), dim=0)


def sparse_score(a: SparseVector, b: SparseVector) -> float:
    """Sum over the shared token ids of the products of their weights."""
    return math.fsum(a[number] * b[number] for number in a.keys() & b.keys())


def multi_score(query: torch.Tensor, passage: torch.Tensor) -> float:
    """Mean over the query's vectors of the best inner product in the passage, -1 to 1.

    Shapes (n, d) and (m, d), both with rows of unit length. Not symmetric.
    """
    return float((query @ passage.T).amax(dim=1).mean())


def unweighted_ids(tokenizer: TextTokenizer) -> frozenset[int]:
    """Ids of the special tokens that never count as words.

    Raises CheckpointInvalid if the tokenizer lacks one of them.
    """
    numbers = {token: tokenizer.token_id(token) for token in UNWEIGHTED_TOKENS}
    lacking = [token for token, number in numbers.items() if number is None]
    if lacking:
        raise CheckpointInvalid(f"The tokenizer has no {', '.join(lacking)}; it is not BGE-M3's.")
    return frozenset(number for number in numbers.values() if number is not None)


def load_heads(folder: Path, hidden: int) -> M3Heads:
    """`sparse_linear.pt` and `colbert_linear.pt`, beside the transformer of width `hidden`.

    Raises CheckpointInvalid for a missing or unreadable file, other keys or other shapes.
    """
    return M3Heads(
        sparse_linear=_read_linear(folder / "sparse_linear.pt", hidden, outputs=1),
        colbert_linear=_read_linear(folder / "colbert_linear.pt", hidden),
    )


def _apply(linear: torch.nn.Linear, states: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = linear(states.to(linear.weight.device, linear.weight.dtype))
    return output


def _read_linear(path: Path, hidden: int, *, outputs: int | None = None) -> torch.nn.Linear:
    state = _read_state(path)
    weight, bias = state["weight"], state["bias"]
    rows = outputs or bias.numel()
    if weight.shape != (rows, hidden) or bias.shape != (rows,):
        raise CheckpointInvalid(
            f"{path}: shapes {tuple(weight.shape)} and {tuple(bias.shape)} do not fit "
            f"({rows}, {hidden}) and ({rows},). Take the file and the model from one checkpoint."
        )
    linear = torch.nn.Linear(hidden, rows, dtype=torch.float32)
    linear.load_state_dict(state)  # half precision in the published files, float32 here
    return linear.requires_grad_(requires_grad=False).to(device())


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointInvalid(
            f"{path} cannot be read: {error}. Get the file again; nothing was loaded."
        ) from error
    if not isinstance(state, dict) or _kinds(state) != {"weight": "Tensor", "bias": "Tensor"}:
        found = _kinds(state) if isinstance(state, dict) else type(state).__name__
        raise CheckpointInvalid(
            f"{path} holds {found} instead of the tensors weight and bias. Get the file again."
        )
    return state


def _kinds(state: dict[Any, Any]) -> dict[str, str]:
    return {str(key): type(value).__name__ for key, value in state.items()}
