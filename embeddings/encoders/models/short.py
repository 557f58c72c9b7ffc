"""Sentence encoders in the sentence-transformers layout: MiniLM, MPNet, E5, your own.

Pooling, window and prompts are what the checkpoint says; a model of short context sees an
article in overlapping windows with the title in front of each, which tells a window from the
middle of an article what it is about. The article's vector is the mean of its windows'.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Unpack

from embeddings.encoders.backbone import Backbone
from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import digest, find_checkpoint, read_json, weight_files
from embeddings.encoders.local import LocalEncoder, Parts
from embeddings.encoders.models.onnx_runtime import RECIPE, OnnxBackbone
from embeddings.encoders.models.sentence_layout import SentenceLayout, prompts_by_task, read_layout
from embeddings.encoders.models.transformer import TransformerBackbone
from embeddings.encoders.strategies import Sizes, cutting_for
from embeddings.encoders.tokenizer import TextTokenizer, load_tokenizer
from embeddings.errors import CheckpointInvalid

# What changes vectors beside weights and tokenizer.json (vocabularies: of older checkpoints).
DESCRIPTIONS = ("config.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model")
RUNTIMES = ("torch", "onnx")


def short_encoder(
    *,
    checkpoint: str = "",
    package: str = "",
    revision: str | None = None,
    query_prompt: str | None = None,
    passage_prompt: str | None = None,
    runtime: str = "torch",
    precision: str = "float32",
    strategy: str = "windows",
    **cutting: Unpack[Sizes],
) -> LocalEncoder:
    """An encoder from a package, a folder or the hub; prompts override the checkpoint's own.

    `runtime` "onnx" with `precision` "float32" or "int8" is quicker on CPU (docs/encoders.md).
    Raises CheckpointInvalid, or EncoderUnavailable when the hub is away.
    """
    folder = find_checkpoint(checkpoint, revision=revision, package=package)
    backbone = _backbone(folder, runtime=runtime, precision=precision)
    layout = read_layout(folder, hidden=backbone.hidden, positions=backbone.positions)
    # Windows may be longer than what the checkpoint's makers cut at, up to its positions.
    longest = backbone.positions if strategy in {"windows", "chunks"} else layout.max_tokens
    name = package or Path(checkpoint).name
    return LocalEncoder(
        Parts(
            identity=partial(_identity, folder, name, precision, packaged=bool(package)),
            name=name,
            backbone=backbone,
            tokenizer=_tokenizer(folder, lower_case=layout.lower_case),
            pooling=layout.pooling,
            strategy=strategy,
            cutting=cutting_for(strategy, window=longest, pooling=layout.pooling, **cutting),
            window=layout.max_tokens,
            dimension=backbone.hidden,
            prompts=_prompts(layout, query_prompt, passage_prompt),
        )
    )


def _tokenizer(folder: Path, *, lower_case: bool) -> TextTokenizer:
    vocabulary = int(read_json(folder / "config.json")["vocab_size"])
    tokenizer = load_tokenizer(folder, vocabulary=vocabulary)
    if lower_case and tokenizer.ids("A") != tokenizer.ids("a"):
        raise CheckpointInvalid(
            f"{folder} wants texts in small letters (do_lower_case), which its tokenizer does "
            "not make: that is not supported. Set it in the tokenizer, or serve the model by a "
            "server of its own (family remote)."
        )
    return tokenizer


def _prompts(layout: SentenceLayout, query: str | None, passage: str | None) -> Mapping[Task, str]:
    own = layout.prompts
    return prompts_by_task(
        query=own.get(Task.RETRIEVAL_QUERY, "") if query is None else query,
        passage=own.get(Task.RETRIEVAL_PASSAGE, "") if passage is None else passage,
    )


def _backbone(folder: Path, *, runtime: str, precision: str) -> Backbone:
    if runtime not in RUNTIMES or (runtime == "torch" and precision != "float32"):
        raise CheckpointInvalid(
            f"runtime {runtime!r} with precision {precision!r}: known are torch (float32) and "
            "onnx (float32, int8)."
        )
    if runtime == "torch":
        return TransformerBackbone(folder, add_pooling_layer=False)
    return OnnxBackbone(folder, precision=precision)


def _identity(folder: Path, name: str, precision: str, *, packaged: bool) -> str:
    """A package's configuration cannot change under its pinned version; a folder's can."""
    files = [*weight_files(folder), folder / "tokenizer.json"]
    files += [] if packaged else [folder / name for name in DESCRIPTIONS]
    quantised = "" if precision == "float32" else f":{precision}-{RECIPE}"
    return f"short:{name}@{digest(path for path in files if path.exists())}{quantised}"
