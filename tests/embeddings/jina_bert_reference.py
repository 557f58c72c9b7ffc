"""JinaBERT a second time, in numpy and float64, as its formulas read: slow and plain.

One input at a time, every table in full. Nothing here is shared with the encoder: what both
get wrong in the same way would have to be wrong in the papers (arXiv 2310.19923, 2108.12409).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Array = NDArray[np.float64]

erf = np.vectorize(math.erf, otypes=[np.float64])


class Reference:
    """A checkpoint folder, read without any check."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights: dict[str, Array] = {
            name.removeprefix("bert."): weight.astype(np.float64)
            for name, weight in load_file(folder / "model.safetensors").items()
        }

    def states(self, ids: Sequence[int]) -> Array:
        """The last hidden states of one input, shape (len(ids), hidden)."""
        words = self.weights["embeddings.word_embeddings.weight"][list(ids)]
        type_zero = self.weights["embeddings.token_type_embeddings.weight"][0]
        x = self.norm("embeddings.LayerNorm", words + type_zero)
        for number in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{number}"
            qk_post_norm = f"{layer}.layer_norm_1.weight" in self.weights
            x = self.qk_post_norm_layer(layer, x) if qk_post_norm else self.plain_layer(layer, x)
        return x

    def plain_layer(self, name: str, x: Array) -> Array:
        """h = LN(attention + x); LN(wo(act(first half) * second half) + h)."""
        h = self.attention(f"{name}.attention", x)
        both = h @ self.weights[f"{name}.mlp.gated_layers.weight"].T
        half = self.config["intermediate_size"]
        product = self.activation(both[:, :half]) * both[:, half:]
        return self.norm(f"{name}.mlp.layernorm", self.linear(f"{name}.mlp.wo", product) + h)

    def qk_post_norm_layer(self, name: str, x: Array) -> Array:
        """h = LN1(LN(attention + x) + x); LN2(down(first half * act(second half)) + h)."""
        h = self.norm(f"{name}.layer_norm_1", self.attention(f"{name}.attention", x) + x)
        both = h @ self.weights[f"{name}.mlp.up_gated_layer.weight"].T
        half = self.config["intermediate_size"]
        product = both[:, :half] * self.activation(both[:, half:])
        return self.norm(f"{name}.layer_norm_2", self.linear(f"{name}.mlp.down_layer", product) + h)

    def attention(self, name: str, x: Array) -> Array:
        """LN(dense(softmax(q k / sqrt(d) - slope |i - j|) v) + x)."""
        q, k, v = (self.linear(f"{name}.self.{part}", x) for part in ("query", "key", "value"))
        if f"{name}.self.layer_norm_q.weight" in self.weights:
            q = self.norm(f"{name}.self.layer_norm_q", q)
            k = self.norm(f"{name}.self.layer_norm_k", k)
        heads = self.config["num_attention_heads"]
        width = x.shape[1] // heads
        place = np.arange(len(x))
        distance = np.abs(place[:, None] - place[None, :])
        context = np.empty_like(x)
        for head, slope in enumerate(reference_slopes(heads)):
            own = slice(head * width, (head + 1) * width)
            scores = q[:, own] @ k[:, own].T / math.sqrt(width) - slope * distance
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            context[:, own] = weights / weights.sum(axis=1, keepdims=True) @ v[:, own]
        return self.norm(
            f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", context) + x
        )

    def activation(self, x: Array) -> Array:
        """GELU by the normal distribution, or ReLU."""
        if self.config["feed_forward_type"] == "reglu":
            return np.maximum(x, 0.0)
        gelu: Array = x * (1.0 + erf(x / math.sqrt(2.0))) / 2.0
        return gelu

    def linear(self, name: str, x: Array) -> Array:
        """x W' + b."""
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: Array) -> Array:
        """Layer normalisation of each row."""
        centred = x - x.mean(axis=1, keepdims=True)
        scale = np.sqrt(x.var(axis=1, keepdims=True) + self.config["layer_norm_eps"])
        normal: Array = centred / scale
        return normal * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def reference_slopes(heads: int) -> Array:
    """The ALiBi paper's: a geometric row that begins with its own ratio, 2^(-8/n)."""
    power = 2 ** math.floor(math.log2(heads))
    slopes: Array = (2.0 ** (-8.0 / power)) ** np.arange(1, power + 1)
    if power < heads:
        slopes = np.concatenate([slopes, reference_slopes(2 * power)[::2][: heads - power]])
    return slopes
