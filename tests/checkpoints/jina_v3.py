"""A tiny jina-embeddings-v3 with random weights and five random adapters, in its real layout."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

from tests.checkpoints.tokenizer_files import write_sentencepiece

ADAPTERS = ("retrieval_query", "retrieval_passage", "separation", "classification", "text_matching")
# Every linear layer and the word embeddings, as in the published model.
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2", "word_embeddings"]
RANK, ALPHA = 4, 1


def write_jina_v3(folder: Path, *, positions: int = 8194) -> Path:
    """Files as in `jinaai/jina-embeddings-v3-hf`: the model, the tokenizer, a folder per
    adapter. Adapters are strong enough for a wrong one to show."""
    tokenizer = write_sentencepiece(folder)
    config = JinaEmbeddingsV3Config(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=positions,
        initializer_range=0.3,
    )
    torch.manual_seed(3)
    base = JinaEmbeddingsV3Model(config)
    base.save_pretrained(folder)
    model = _with_adapters(base)
    for name in ADAPTERS:
        model.save_pretrained(str(folder), selected_adapters=[name])
    return folder


def _with_adapters(base: JinaEmbeddingsV3Model) -> PeftModel:
    lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS)
    model = get_peft_model(base, lora, adapter_name=ADAPTERS[0])
    for name in ADAPTERS[1:]:
        model.add_adapter(name, lora)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "lora_" in key:
                weight.normal_(std=0.6)
    return model
