"""A tiny JinaBERT checkpoint of either variant, with random weights, as published ones look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

from tests.checkpoints.tokenizer_files import write_wordpiece

LAYERS = 2
REPOSITORIES = {
    "plain": "jinaai/jina-bert-implementation",
    "qk-post-norm": "jinaai/jina-bert-v2-qk-post-norm",
}

Variant = Literal["plain", "qk-post-norm"]
Weights = dict[str, torch.Tensor]


def write_jina_v2(
    folder: Path,
    *,
    variant: Variant = "plain",
    heads: Literal[8, 12] = 8,
    glu: Literal["geglu", "reglu"] = "geglu",
    prefix: str = "",
) -> Path:
    """config.json, model.safetensors (names with `prefix`) and tokenizer.json; the folder.

    The same arguments give the same bytes. An unused pooler is in the file, as in others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = write_wordpiece(folder).get_vocab_size()
    config = _config(REPOSITORIES[variant], heads, glu, words)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    weights = _Draw(config).weights(variant)
    named = {f"{prefix}{name}": weight for name, weight in weights.items()}
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _config(repository: str, heads: int, glu: str, words: int) -> dict[str, Any]:
    hidden = heads * 4
    return {
        "_name_or_path": repository,
        "architectures": ["JinaBertForMaskedLM"],
        "attention_probs_dropout_prob": 0.0,
        "auto_map": {
            "AutoConfig": f"{repository}--configuration_bert.JinaBertConfig",
            "AutoModel": f"{repository}--modeling_bert.JinaBertModel",
            "AutoModelForMaskedLM": f"{repository}--modeling_bert.JinaBertForMaskedLM",
        },
        "emb_pooler": "mean",
        "feed_forward_type": glu,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 8192,
        "model_max_length": 8192,
        "model_type": "bert",
        "num_attention_heads": heads,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "position_embedding_type": "alibi",
        "torch_dtype": "float32",
        "type_vocab_size": 2,
        "vocab_size": words,
    }


class _Draw:
    """Weights large enough that every part of the model shows in the token states."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._hidden, self._middle = config["hidden_size"], config["intermediate_size"]
        self._random = torch.Generator().manual_seed(20231030)

    def weights(self, variant: Variant) -> Weights:
        """All weights of the model and of its pooler."""
        weights = {
            "embeddings.word_embeddings.weight": self._normal(self._config["vocab_size"]),
            "embeddings.token_type_embeddings.weight": self._normal(2),
            **self._norm("embeddings.LayerNorm"),
            **self._linear("pooler.dense", self._hidden, self._hidden),
        }
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            weights |= self._attention(f"{layer}.attention")
            weights |= self._plain(layer) if variant == "plain" else self._qk_post_norm(layer)
        return weights

    def _attention(self, name: str) -> Weights:
        weights: Weights = {}
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            weights |= self._linear(f"{name}.{part}", self._hidden, self._hidden)
        return weights | self._norm(f"{name}.output.LayerNorm")

    def _plain(self, name: str) -> Weights:
        return {
            f"{name}.mlp.gated_layers.weight": self._normal(2 * self._middle),
            **self._linear(f"{name}.mlp.wo", self._hidden, self._middle),
            **self._norm(f"{name}.mlp.layernorm"),
        }

    def _qk_post_norm(self, name: str) -> Weights:
        return {
            **self._norm(f"{name}.attention.self.layer_norm_q"),
            **self._norm(f"{name}.attention.self.layer_norm_k"),
            f"{name}.mlp.up_gated_layer.weight": self._normal(2 * self._middle),
            **self._linear(f"{name}.mlp.down_layer", self._hidden, self._middle),
            **self._norm(f"{name}.layer_norm_1"),
            **self._norm(f"{name}.layer_norm_2"),
        }

    def _linear(self, name: str, rows: int, columns: int) -> Weights:
        bias = torch.randn(rows, generator=self._random) * 0.3
        return {f"{name}.weight": self._normal(rows, columns), f"{name}.bias": bias}

    def _norm(self, name: str) -> Weights:
        scale = 1 + torch.randn(self._hidden, generator=self._random) * 0.3
        shift = torch.randn(self._hidden, generator=self._random) * 0.3
        return {f"{name}.weight": scale, f"{name}.bias": shift}

    def _normal(self, rows: int, columns: int = 0) -> torch.Tensor:
        return torch.randn(rows, columns or self._hidden, generator=self._random) * 0.25
