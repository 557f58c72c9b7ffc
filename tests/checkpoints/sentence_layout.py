"""Tiny checkpoints in the sentence-transformers layout, written by that library itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import (
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
)

from tests.checkpoints.tokenizer_files import write_wordpiece

PROMPTS = {"query": "query: ", "document": "passage: "}


def write_sentence_layout(
    folder: Path,
    *,
    pooling: str = "mean",
    prompts: dict[str, str] | None = None,
    kind: Literal["bert", "mpnet"] = "bert",
) -> Path:
    """Two layers with the pooling and prompts asked for; 128 positions, cut at 64."""
    parts = folder.parent / f"{folder.name}-parts"
    parts.mkdir(parents=True)
    tokenizer = write_wordpiece(parts)
    torch.manual_seed(11)
    shape: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "max_position_embeddings": 128,
        "initializer_range": 0.3,
    }
    if kind == "bert":
        BertModel(BertConfig(**shape)).save_pretrained(parts)
    else:
        MPNetModel(MPNetConfig(**shape)).save_pretrained(parts)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # untyped library
        tokenizer_file=str(parts / "tokenizer.json"),
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
    ).save_pretrained(parts)
    transformer = Transformer(str(parts), max_seq_length=64)
    modules = [transformer, Pooling(48, pooling_mode=pooling), Normalize()]
    model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
    model.save_pretrained(str(folder))
    return folder
