"""Checkpoints of full size with random weights, in the real layouts: for speed and memory.

python -m benchmarks.full_size FAMILY TOKENS FOLDER    (what one article costs, as JSON)
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

ADAPTERS = ("retrieval_query", "retrieval_passage", "separation", "classification", "text_matching")
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2", "word_embeddings"]
WORDS = 2000


def write_v3(folder: Path) -> Path:
    """jina-embeddings-v3: 559 million parameters and five adapters of rank 4."""
    from peft import LoraConfig, get_peft_model
    from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

    _write_tokenizer(folder, first="<s>", last="</s>", pad="<pad>")
    torch.manual_seed(1)
    base = JinaEmbeddingsV3Model(JinaEmbeddingsV3Config(), add_pooling_layer=False)
    base.save_pretrained(folder)
    lora = LoraConfig(r=4, lora_alpha=1, target_modules=TARGETS, init_lora_weights=False)
    model = get_peft_model(base, lora, adapter_name=ADAPTERS[0])
    for name in ADAPTERS[1:]:
        model.add_adapter(name, lora)
    for name in ADAPTERS:
        model.save_pretrained(str(folder), selected_adapters=[name])
    return folder


def write_v2(folder: Path) -> Path:
    """jina-embeddings-v2-base-en: 137 million parameters."""
    from safetensors.torch import save_file

    from embeddings.encoders.models.jina_bert import JinaBert, JinaBertShape

    _write_tokenizer(folder, first="[CLS]", last="[SEP]", pad="[PAD]")
    config = {
        "model_type": "bert",
        "position_embedding_type": "alibi",
        "feed_forward_type": "geglu",
        "emb_pooler": "mean",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "layer_norm_eps": 1e-12,
        "vocab_size": 30528,
        "type_vocab_size": 2,
        "max_position_embeddings": 8192,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    shape = JinaBertShape(
        vocabulary=30528,
        token_types=2,
        hidden=768,
        layers=12,
        heads=12,
        intermediate=3072,
        epsilon=1e-12,
        glu="geglu",
        qk_post_norm=False,
    )
    torch.manual_seed(2)
    save_file(dict(JinaBert(shape).state_dict()), folder / "model.safetensors")
    return folder


def article(tokens: int) -> str:
    """A text of so many tokens of the random tokenizer."""
    return " ".join(f"w{number % WORDS}" for number in range(tokens))


def _write_tokenizer(folder: Path, *, first: str, last: str, pad: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    specials = [first, pad, last, "[UNK]"]
    words = {word: number for number, word in enumerate([*specials, *_words()])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))  # noqa: S106 - no secret
    tokenizer.add_special_tokens(specials)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, 0), (last, 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def _words() -> list[str]:
    return [f"w{number}" for number in range(WORDS)]


def cost(family: str, tokens: int, folder: Path) -> dict[str, Any]:
    """Seconds and megabytes of one article, in this process."""
    from embeddings.encoders.base import Document
    from embeddings.encoders.models.jina_v2 import jina_v2
    from embeddings.encoders.models.jina_v3 import jina_v3

    encoder = {"v3": jina_v3, "v2": jina_v2}[family](checkpoint=str(folder))
    encoder.encode_queries(["w1 w2"])
    before, started = _peak(), time.monotonic()
    [embedded] = encoder.encode_documents([Document(title="", body=article(tokens))])
    return {
        "tokens": embedded.tokens,
        "passages": len(embedded.passages),
        "seconds": round(time.monotonic() - started, 1),
        "peak_mb": _peak(),
        "peak_mb_before": before,
    }


def _peak() -> int:
    # Not getrusage: its figure begins with the peak of whoever started this process.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(cost(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
