"""The sentence-transformers layout: modules.json and what it names, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import read_json
from embeddings.encoders.pooling import POOLING
from embeddings.errors import CheckpointInvalid

MODE_NAMES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}
# What the layout's prompts are called; e.g. E5 and Nomic say passage, others document.
QUERY_NAMES, PASSAGE_NAMES = ("query",), ("passage", "document")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceLayout:
    """How a checkpoint wants to be used; `max_tokens` counts special tokens, `lower_case` asks
    for texts in small letters."""

    pooling: str
    max_tokens: int
    lower_case: bool
    prompts: Mapping[Task, str]


def read_layout(folder: Path, *, hidden: int, positions: int) -> SentenceLayout:
    """Raises CheckpointInvalid for modules that are not known here or settings that disagree."""
    pooling = _read_pooling(folder, _module_folder(folder), hidden)
    return SentenceLayout(
        pooling=pooling,
        max_tokens=min(_max_tokens(folder), positions),
        lower_case=_if_there(folder / "sentence_bert_config.json").get("do_lower_case") is True,
        prompts=_prompts(folder),
    )


def _module_folder(folder: Path) -> Path:
    """The folder of the pooling module."""
    path = folder / "modules.json"
    try:
        modules = json.loads(path.read_text())
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        places = [str(module["path"]) for module in modules]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointInvalid(
            f"{path} cannot be read ({error}): this family takes the sentence-transformers layout."
        ) from error
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Normalize"}:
        raise CheckpointInvalid(
            f"{folder}: its modules are {kinds}; only a Transformer, a Pooling and a Normalize "
            "are supported. Serve such a model by a server of its own (family remote)."
        )
    return folder / places[1]


def _read_pooling(folder: Path, module: Path, hidden: int) -> str:
    config = read_json(module / "config.json")
    if config.get("include_prompt", True) is not True:
        raise CheckpointInvalid(f"{folder}: pooling without the prompt is not supported.")
    dimension = config.get("embedding_dimension", config.get("word_embedding_dimension"))
    if dimension != hidden:
        raise CheckpointInvalid(f"{folder}: pooling and config.json disagree on the dimension.")
    mode = _pooling_mode(config)
    if mode not in POOLING:
        known = ", ".join(POOLING)
        raise CheckpointInvalid(f"{folder}: pooling {mode!r} is not supported; known are {known}.")
    return mode


def _pooling_mode(config: Mapping[str, Any]) -> str:
    if "pooling_mode" in config:
        return str(config["pooling_mode"])
    on = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    return MODE_NAMES.get(on[0], on[0]) if len(on) == 1 else f"of {len(on)} modes"


def _max_tokens(folder: Path) -> int:
    sentence = _if_there(folder / "sentence_bert_config.json")
    tokenizer = _if_there(folder / "tokenizer_config.json")
    found = sentence.get("max_seq_length") or tokenizer.get("model_max_length") or 10**9
    return int(found)


def _prompts(folder: Path) -> dict[Task, str]:
    config = _if_there(folder / "config_sentence_transformers.json")
    named = config.get("prompts") or {}
    usual = named.get(config.get("default_prompt_name") or "", "")
    query = next((named[name] for name in QUERY_NAMES if named.get(name)), usual)
    passage = next((named[name] for name in PASSAGE_NAMES if named.get(name)), usual)
    return prompts_by_task(query=query, passage=passage)


def prompts_by_task(*, query: str, passage: str) -> dict[Task, str]:
    """Tasks without a side (matching, classification, …) are asked as a query is, as the
    makers of E5 advise."""
    prompts = dict.fromkeys(Task, query) | {Task.RETRIEVAL_PASSAGE: passage}
    return {task: prompt for task, prompt in prompts.items() if prompt}


def _if_there(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
