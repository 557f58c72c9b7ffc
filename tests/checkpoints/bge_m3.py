"""BGE-M3 and cross-encoders in miniature, in the file layouts that they are published in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

from tests.checkpoints.tokenizer_files import write_sentencepiece, write_wordpiece

HIDDEN = 48
# More rows than the tokenizers' training fills: the random weights do not depend on its size.
VOCABULARY = 512
# XLMRobertaTokenizer would put a normalizer of its own in place of the file's.
AS_IN_FILE = "PreTrainedTokenizerFast"
# Weights far enough from 0 that different texts get clearly different outputs.
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "initializer_range": 0.3,
}


def write_bge_m3(folder: Path, *, weights: Literal["safetensors", "bin"] = "safetensors") -> Path:
    """The transformer, the two heads (in half precision), tokenizer and pooling; the published
    repository has the weights as "bin" only."""
    folder.mkdir(parents=True, exist_ok=True)
    write_sentencepiece(folder)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = XLMRobertaModel(_xlm_roberta())
        heads = {
            "sparse_linear": torch.nn.Linear(HIDDEN, 1),
            "colbert_linear": torch.nn.Linear(HIDDEN, HIDDEN),
        }
    for name, head in heads.items():
        torch.save(head.half().state_dict(), folder / f"{name}.pt")
    if weights == "safetensors":
        model.save_pretrained(folder)
    else:
        model.config.save_pretrained(folder)
        state = model.state_dict() | {"embeddings.position_ids": torch.arange(8194)[None]}
        torch.save(state, folder / "pytorch_model.bin")
    _write_sentence_layout(folder)
    _write_tokenizer_config(folder, kind=AS_IN_FILE, pad="<pad>", window=8192)
    return folder


def write_cross_encoder(
    folder: Path, *, kind: Literal["xlm-roberta", "bert"] = "xlm-roberta", labels: int = 1
) -> Path:
    """bge-reranker-v2-m3's kind, or the MiniLM one, which tells the two texts apart by type."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "xlm-roberta":
        write_sentencepiece(folder)
        _write_tokenizer_config(folder, kind=AS_IN_FILE, pad="<pad>", window=8192)
        config: Any = _xlm_roberta()
        model_class: Any = XLMRobertaForSequenceClassification
    else:
        _write_wordpiece_with_types(folder)
        _write_tokenizer_config(folder, kind="BertTokenizer", pad="[PAD]", window=128)
        config = BertConfig(**SHAPE, max_position_embeddings=128)
        model_class = BertForSequenceClassification
    config.num_labels = labels
    with torch.random.fork_rng():
        torch.manual_seed(11)
        model_class(config).save_pretrained(folder)
    return folder


def _xlm_roberta() -> XLMRobertaConfig:
    return XLMRobertaConfig(
        **SHAPE,
        max_position_embeddings=8194,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )


def _write_wordpiece_with_types(folder: Path) -> None:
    """As in BERT's published files, the second text and its [SEP] have type 1."""
    tokenizer = write_wordpiece(folder)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def _write_tokenizer_config(folder: Path, *, kind: str, pad: str, window: int) -> None:
    """Read by other libraries, the references of the tests."""
    content = {"tokenizer_class": kind, "pad_token": pad, "model_max_length": window}
    (folder / "tokenizer_config.json").write_text(json.dumps(content))


def _write_sentence_layout(folder: Path) -> None:
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    sentence = {"max_seq_length": 8192, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(sentence))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    pooling = {
        "word_embedding_dimension": HIDDEN,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
