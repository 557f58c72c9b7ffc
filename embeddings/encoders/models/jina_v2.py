"""jina-embeddings-v2 (arXiv 2310.19923) from a checkpoint folder, read strictly.

`config.json` and `model.safetensors` are all that is read. The repository's own Python code
is never run, and a weight that is missing or left over is an error: read as a plain BERT,
such a checkpoint gives random layers and vectors that look like any other.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, Unpack

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import UNUSED_WEIGHTS, digest, find_checkpoint
from embeddings.encoders.compute import device, precision
from embeddings.encoders.local import LocalEncoder, Parts
from embeddings.encoders.models.jina_bert import ACTIVATIONS, JinaBert, JinaBertShape
from embeddings.encoders.models.ready import make_ready
from embeddings.encoders.models.transformer import WIDE_FROM
from embeddings.encoders.strategies import Sizes, cutting_for
from embeddings.encoders.tokenizer import load_tokenizer
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable

PREFIX = "bert."  # of weights saved together with a head
WINDOW = 8192

# The variant by its repository's name in `auto_map`, and by a weight that only it has.
PLAIN, QK_POST_NORM = "jina-bert-implementation", "qk-post-norm"
VARIANT_WEIGHTS = {
    PLAIN: "encoder.layer.0.mlp.gated_layers.weight",
    QK_POST_NORM: "encoder.layer.0.mlp.up_gated_layer.weight",
}

Number = TypeVar("Number", int, float)
Weights = dict[str, torch.Tensor]


def jina_v2(
    *,
    checkpoint: str,
    revision: str | None = None,
    strategy: str = "whole_late",
    **sizes: Unpack[Sizes],
) -> LocalEncoder:
    """The encoder of a checkpoint such as `jinaai/jina-embeddings-v2-base-en`.

    Raises CheckpointInvalid, or EncoderUnavailable when the hub is away.
    """
    folder = find_checkpoint(checkpoint, revision=revision)
    backbone = JinaV2Backbone(folder)
    window = min(WINDOW, backbone.positions)
    files = ("model.safetensors", "config.json", "tokenizer.json")
    return LocalEncoder(
        Parts(
            identity=lambda: (
                f"jina-v2:{Path(checkpoint).name}@{digest(folder / name for name in files)}"
            ),
            name=Path(checkpoint).name,
            backbone=backbone,
            tokenizer=load_tokenizer(folder, vocabulary=backbone.vocabulary),
            pooling="mean",
            strategy=strategy,
            cutting=cutting_for(strategy, window=window, pooling="mean", **sizes),
            window=window,
            dimension=backbone.hidden,
        )
    )


class JinaV2Backbone:
    """JinaBERT of either variant: float32 on CPU, bfloat16 on CUDA. One task space for all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loading = threading.Lock()

    @property
    def vocabulary(self) -> int:
        """How many token embeddings it has. Raises CheckpointInvalid."""
        return _positive(self._config, "vocab_size", int)

    @property
    def hidden(self) -> int:
        """Width of the token states. Raises CheckpointInvalid."""
        return _positive(self._config, "hidden_size", int)

    @property
    def positions(self) -> int:
        """Most tokens of one input, special tokens included. Raises CheckpointInvalid."""
        return _positive(self._config, "max_position_embeddings", int)

    @property
    def wide(self) -> bool:
        """Whether one forward pass is worth all cores."""
        return self.hidden >= WIDE_FROM

    def load(self) -> None:
        """Load the weights now; later calls do nothing. Raises CheckpointInvalid."""
        with self._loading:  # from Python 3.12 on, cached_property lets two threads load twice
            self._loaded  # noqa: B018 - a cached property

    def states(
        self,
        inputs: Sequence[Ids],
        tasks: Sequence[Task],  # noqa: ARG002 - one space for all tasks
    ) -> list[torch.Tensor]:
        """Last hidden states, float32: one (len(ids), hidden) per input.

        Raises CheckpointInvalid, or TextNotEmbeddable for an empty input or one over
        `positions` tokens.
        """
        lengths = [len(ids) for ids in inputs]
        for length in lengths:
            if not 0 < length <= self.positions:
                raise TextNotEmbeddable(
                    f"An input of {length} tokens does not fit the model's {self.positions}."
                )
        if not lengths:
            return []
        self.load()
        packed = torch.tensor([token for ids in inputs for token in ids], device=device())
        with torch.inference_mode():
            states: torch.Tensor = self._loaded(packed, lengths).float()
            return list(torch.split(states, lengths))

    @cached_property
    def _config(self) -> dict[str, Any]:
        return _read_config(self._folder / "config.json")

    @cached_property
    def _loaded(self) -> JinaBert:
        started = time.monotonic()
        config = self._config  # refused before anything large is read
        weights = _read_weights(self._folder / "model.safetensors")
        shape = _shape(config, qk_post_norm=self._variant(weights) == QK_POST_NORM)
        with torch.device("meta"):  # no memory until the file's own tensors take their places
            model = JinaBert(shape)
        weights = self._fitting(weights, model.state_dict())
        model.load_state_dict(weights, strict=True, assign=True)
        model = model.requires_grad_(requires_grad=False).eval().to(precision())
        return make_ready(self._folder.name, model, started=started)

    def _variant(self, weights: Weights) -> str:
        """What the weights' names say, unless `auto_map` says otherwise."""
        held = [name for name, weight in VARIANT_WEIGHTS.items() if weight in weights]
        if len(held) != 1:
            raise CheckpointInvalid(
                f"{self._folder}: the weights are of no known JinaBERT variant: exactly one of "
                f"{sorted(VARIANT_WEIGHTS.values())} is expected. Get the checkpoint again."
            )
        auto_map = json.dumps(self._config.get("auto_map"))
        told = [name for name in VARIANT_WEIGHTS if name in auto_map]
        if told not in ([], held):  # a local copy often has the repository's name taken out
            raise CheckpointInvalid(
                f"{self._folder}: auto_map in config.json says {' and '.join(told)}, the names "
                f"of the weights say {held[0]}. Get both files of one revision."
            )
        return held[0]

    def _fitting(self, weights: Weights, expected: Weights) -> Weights:
        """The weights that the model wants, all of them and nothing left over."""
        missing = sorted(expected.keys() - weights.keys())
        left = weights.keys() - expected.keys()
        unknown = sorted(name for name in left if not UNUSED_WEIGHTS.search(name))
        misfits = [
            f"{name} {tuple(weights[name].shape)} {weights[name].dtype} instead of "
            f"{tuple(wanted.shape)} floats"
            for name, wanted in expected.items()
            if name in weights and not _fits(weights[name], wanted)
        ]
        if missing or unknown or misfits:
            raise CheckpointInvalid(
                f"{self._folder}: weights do not fit config.json; missing {missing[:5]}, "
                f"unknown {unknown[:5]}, of another shape {misfits[:5]}. Get the checkpoint "
                "again, both files of one revision; nothing was loaded."
            )
        return {name: weights[name] for name in expected}


def _fits(weight: torch.Tensor, wanted: torch.Tensor) -> bool:
    return weight.shape == wanted.shape and weight.is_floating_point()


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointInvalid(f"{path} cannot be read: {error}") from error
    _require(config, "position_embedding_type", ["alibi"])
    _require(config, "feed_forward_type", sorted(ACTIVATIONS))
    if config.get("emb_pooler") is not None:
        _require(config, "emb_pooler", ["mean"])
    return config


def _require(config: Mapping[str, Any], key: str, known: list[str]) -> None:
    if config.get(key) not in known:
        raise CheckpointInvalid(
            f"config.json: {key} is {config.get(key)!r} and must be one of {known} for this "
            "family. Use the family that the checkpoint belongs to, or another checkpoint."
        )


def _positive(config: Mapping[str, Any], key: str, kind: type[Number]) -> Number:
    number = config.get(key)
    if not isinstance(number, kind) or isinstance(number, bool) or number <= 0:
        raise CheckpointInvalid(
            f"config.json: {key} is {number!r} and must be a positive {kind.__name__}. Get the "
            "checkpoint again."
        )
    return number


def _shape(config: Mapping[str, Any], *, qk_post_norm: bool) -> JinaBertShape:
    hidden, heads = (_positive(config, key, int) for key in ("hidden_size", "num_attention_heads"))
    if hidden % heads:
        raise CheckpointInvalid(f"config.json: {heads} heads cannot share {hidden} dimensions.")
    return JinaBertShape(
        vocabulary=_positive(config, "vocab_size", int),
        token_types=_positive(config, "type_vocab_size", int),
        hidden=hidden,
        layers=_positive(config, "num_hidden_layers", int),
        heads=heads,
        intermediate=_positive(config, "intermediate_size", int),
        epsilon=_positive(config, "layer_norm_eps", float),
        glu=config["feed_forward_type"],
        qk_post_norm=qk_post_norm,
    )


def _read_weights(path: Path) -> Weights:
    """All weights by their names without the prefix."""
    try:
        weights: Weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointInvalid(f"{path} cannot be read: {error}. Get the file again.") from error
    bare = {name.removeprefix(PREFIX): weight for name, weight in weights.items()}
    if len(bare) < len(weights):
        raise CheckpointInvalid(f"{path}: weights with and without {PREFIX!r} have one name.")
    return bare
