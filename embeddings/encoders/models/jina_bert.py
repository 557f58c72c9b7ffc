"""JinaBERT (arXiv 2310.19923), written from the formulas, for inference.

A post-norm BERT without position embeddings: ALiBi (arXiv 2108.12409) in both directions,
and gated feed-forward layers (arXiv 2002.05202). Two variants are published:
jina-bert-implementation, and jina-bert-v2-qk-post-norm, which also normalises queries and
keys. The modules' names are those of the published weights.

All inputs of a call run packed, one behind the other and without padding; only attention
looks at one input at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

QUERY_BLOCK = 512  # queries attended at a time: bounds memory where the bias is made in full

Glu: TypeAlias = Literal["geglu", "reglu"]
Activation: TypeAlias = Callable[[Tensor], Tensor]
# GELU is the exact one, with erf.
ACTIVATIONS: dict[Glu, Activation] = {"geglu": F.gelu, "reglu": F.relu}


@dataclass(frozen=True, slots=True, kw_only=True)
class JinaBertShape:
    """What decides the names and shapes of the weights, and the maths between them."""

    vocabulary: int
    token_types: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    epsilon: float
    glu: Glu
    qk_post_norm: bool


def alibi_slopes(heads: int) -> list[float]:
    """One slope per head (ALiBi, arXiv 2108.12409): 2^(-8/n), 2^(-16/n), ... for n heads.

    Where n is no power of two: the slopes of the power below, then every second one of the
    power above.
    """
    power = 1 << (heads.bit_length() - 1)
    slopes = [2.0 ** (-8 * place / power) for place in range(1, power + 1)]
    between = [2.0 ** (-4 * place / power) for place in range(1, 2 * power, 2)]
    return slopes + between[: heads - power]


def alibi_row(heads: int, longest: int, like: Tensor) -> Tensor:
    """-slope * |distance| for distances of 1 - longest to longest - 1.

    Shape (heads, 2 * longest - 1), on the device and of the type of `like`. Rounding to
    bfloat16 is harmless: it grows with the distance, and the weight falls faster.
    """
    slopes = torch.tensor(alibi_slopes(heads), device=like.device)
    distances = torch.arange(1 - longest, longest, device=like.device).abs()
    return (-slopes[:, None] * distances).to(like.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor, row: Tensor) -> Tensor:
    """Softmax attention of one input: q.k / sqrt(width), then ALiBi's -slope * |i - j|.

    Shapes (heads, length, width), and `row` from `alibi_row` for this length or a longer one.
    """
    length = query.shape[1]
    # The order of the keys does not matter to attention. Reversed, key number j stands at
    # length - 1 - j, and a bias depends on (query + key) alone: each query's biases are the
    # row of the query before, moved by one. That is a view: no (length, length) table.
    key, value = key.flip(1)[None], value.flip(1)[None]
    blocks = []
    for first in range(0, length, QUERY_BLOCK):
        part = query[None, :, first : first + QUERY_BLOCK]
        bias = _bias_view(row, first, part.shape[2], length)
        blocks.append(F.scaled_dot_product_attention(part, key, value, attn_mask=bias))
    return torch.cat(blocks, dim=2)[0]


def _bias_view(row: Tensor, first: int, queries: int, keys: int) -> Tensor:
    """Biases of `queries` from `first` on against all keys reversed: (1, heads, queries, keys)."""
    heads, width = row.shape
    start = (width + 1) // 2 - keys + first
    bias = row.as_strided((1, heads, queries, keys), (0, width, 1, 1), start)
    # The CPU kernel reads the view as it is; CUDA's want aligned rows, so one block is made.
    return bias if row.device.type == "cpu" else bias.contiguous()


class Embeddings(nn.Module):
    """Words plus token type 0, normalised; no positions."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.hidden)
        self.token_type_embeddings = nn.Embedding(shape.token_types, shape.hidden)
        self.LayerNorm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)

    def forward(self, ids: Tensor) -> Tensor:
        """(tokens,) to (tokens, hidden)."""
        states: Tensor = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        normalised: Tensor = self.LayerNorm(states)
        return normalised


class SelfAttention(nn.Module):
    """Heads side by side; queries and keys normalised before they are split, if so asked."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self._split = (shape.heads, shape.hidden // shape.heads)
        self.query = nn.Linear(shape.hidden, shape.hidden)
        self.key = nn.Linear(shape.hidden, shape.hidden)
        self.value = nn.Linear(shape.hidden, shape.hidden)
        self.layer_norm_q: nn.Module = nn.Identity()
        self.layer_norm_k: nn.Module = nn.Identity()
        if shape.qk_post_norm:
            self.layer_norm_q = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
            self.layer_norm_k = nn.LayerNorm(shape.hidden, eps=shape.epsilon)

    def forward(self, states: Tensor, lengths: list[int], row: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        query = self._heads(self.layer_norm_q(self.query(states)), lengths)
        key = self._heads(self.layer_norm_k(self.key(states)), lengths)
        value = self._heads(self.value(states), lengths)
        each = [attend(*parts, row) for parts in zip(query, key, value, strict=True)]
        return torch.cat(each, dim=1).transpose(0, 1).reshape(states.shape)

    def _heads(self, states: Tensor, lengths: list[int]) -> Sequence[Tensor]:
        """(tokens, hidden) to one (heads, length, width) per input."""
        heads = states.view(len(states), *self._split).transpose(0, 1)
        return torch.split(heads, lengths, dim=1)


class AttentionOutput(nn.Module):
    """The heads mixed, the residual added, the sum normalised."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden, shape.hidden)
        self.LayerNorm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)

    def forward(self, attended: Tensor, residual: Tensor) -> Tensor:
        """(tokens, hidden) twice to the same."""
        states: Tensor = self.LayerNorm(self.dense(attended) + residual)
        return states


class Attention(nn.Module):
    """Self-attention and its output layer."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self.self = SelfAttention(shape)
        self.output = AttentionOutput(shape)

    def forward(self, states: Tensor, lengths: list[int], row: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        output: Tensor = self.output(self.self(states, lengths, row), states)
        return output


class GatedMlp(nn.Module):
    """GLU with the activation on the first half; residual and norm are inside."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self._activation = ACTIVATIONS[shape.glu]
        self.gated_layers = nn.Linear(shape.hidden, 2 * shape.intermediate, bias=False)
        self.wo = nn.Linear(shape.intermediate, shape.hidden)
        self.layernorm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)

    def forward(self, states: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        gate, up = self.gated_layers(states).chunk(2, dim=-1)
        output: Tensor = self.layernorm(self.wo(self._activation(gate).mul_(up)) + states)
        return output


class UpGatedMlp(nn.Module):
    """GLU with the activation on the second half; residual and norm are outside."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self._activation = ACTIVATIONS[shape.glu]
        self.up_gated_layer = nn.Linear(shape.hidden, 2 * shape.intermediate, bias=False)
        self.down_layer = nn.Linear(shape.intermediate, shape.hidden)

    def forward(self, states: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        up, gate = self.up_gated_layer(states).chunk(2, dim=-1)
        output: Tensor = self.down_layer(self._activation(gate).mul_(up))
        return output


class PlainLayer(nn.Module):
    """A layer of jina-bert-implementation."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.mlp = GatedMlp(shape)

    def forward(self, states: Tensor, lengths: list[int], row: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        output: Tensor = self.mlp(self.attention(states, lengths, row))
        return output


class QkPostNormLayer(nn.Module):
    """A layer of jina-bert-v2-qk-post-norm: the residual goes around attention twice."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.layer_norm_1 = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.mlp = UpGatedMlp(shape)
        self.layer_norm_2 = nn.LayerNorm(shape.hidden, eps=shape.epsilon)

    def forward(self, states: Tensor, lengths: list[int], row: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        attended = self.layer_norm_1(self.attention(states, lengths, row) + states)
        output: Tensor = self.layer_norm_2(self.mlp(attended) + attended)
        return output


class Layers(nn.Module):
    """The layers, one after the other."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        kind = QkPostNormLayer if shape.qk_post_norm else PlainLayer
        self.layer = nn.ModuleList(kind(shape) for _ in range(shape.layers))

    def forward(self, states: Tensor, lengths: list[int], row: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        for layer in self.layer:
            states = layer(states, lengths, row)
        return states


class JinaBert(nn.Module):
    """Token ids of any number of inputs to their last hidden states."""

    def __init__(self, shape: JinaBertShape) -> None:
        super().__init__()
        self._number_of_heads = shape.heads
        self.embeddings = Embeddings(shape)
        self.encoder = Layers(shape)

    def forward(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """The inputs' ids concatenated, (tokens,), to states (tokens, hidden).

        `lengths` sum to the number of tokens. Beside the states memory grows with heads times
        the longest length, not with its square.
        """
        states = self.embeddings(ids)
        row = alibi_row(self._number_of_heads, max(lengths), states)
        output: Tensor = self.encoder(states, list(lengths), row)
        return output
