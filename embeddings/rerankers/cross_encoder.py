"""Cross-encoders with one logit: bge-reranker-v2-m3, the MiniLM ones and their like.

Question and document pass the transformer as one input (arXiv 1901.04085); the sigmoid of its
logit is the score.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch

from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import (
    digest,
    find_checkpoint,
    load_transformer,
    read_json,
    weight_files,
)
from embeddings.encoders.compute import device, lanes
from embeddings.encoders.local import batch_tokens
from embeddings.encoders.models.padded import pad
from embeddings.encoders.models.ready import make_ready
from embeddings.encoders.models.transformer import OFFSET_POSITIONS, WIDE_FROM
from embeddings.encoders.queue import ForwardQueue, Job
from embeddings.encoders.tokenizer import TextTokenizer, load_tokenizer
from embeddings.errors import CheckpointInvalid, TextTooLong

MODEL_TYPES = ("bert", "xlm-roberta")
CONFIG_KEYS = (
    "hidden_size",
    "max_position_embeddings",
    "pad_token_id",
    "type_vocab_size",
    "vocab_size",
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PairJob(Job):
    """A question and a document as one input; `types` tells which of the two each id is of."""

    types: Sequence[int]


class CrossEncoderReranker:
    """A BERT or XLM-RoBERTa sequence classifier from a folder or the hub.

    Found and read on first use: that raises CheckpointInvalid for files that do not fit
    together, EncoderUnavailable when the hub cannot be reached.
    """

    def __init__(self, *, checkpoint: str, revision: str | None = None) -> None:
        self._checkpoint, self._revision = checkpoint, revision
        self._name = Path(checkpoint).name
        self._loading = threading.Lock()

    @property
    def window(self) -> int:
        """All positions; XLM-RoBERTa's begin after that of the padding."""
        offset = self._pad_id + 1 if self._config["model_type"] in OFFSET_POSITIONS else 0
        return int(self._config["max_position_embeddings"]) - offset

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the configuration and the tokenizer."""
        files = [self._folder / "config.json", self._folder / "tokenizer.json"]
        identity = digest([*weight_files(self._folder), *files])
        return f"cross-encoder:{self._name}@{identity}:sigmoid"

    def rerank(self, question: str, documents: Sequence[str]) -> list[float]:
        """Pairs of like length share a batch, which changes no score."""
        if not documents:
            return []
        jobs = [
            PairJob(ids=ids, types=types, task=Task.RETRIEVAL_QUERY, head=_no_head)
            for ids, types in self._tokenizer.pairs(question, documents)
        ]
        for job in jobs:
            if len(job.ids) > self.window:
                raise TextTooLong(
                    f"A question and a document of {len(job.ids)} tokens together do not fit "
                    f"the {self.window} of {self._name}; send less of the document."
                )
        longest_first = sorted(jobs, key=lambda job: -len(job.ids))
        self._queue.submit(longest_first, urgent=True)
        return [job.done.result() for job in jobs]

    def count_tokens(self, question: str, documents: Sequence[str]) -> int:
        """Of all pairs, special tokens included."""
        return sum(len(ids) for ids, _ in self._tokenizer.pairs(question, documents))

    def load(self) -> None:
        """Load the weights now rather than with the first question; two threads do it once."""
        with self._loading:
            self._model  # noqa: B018 - loads

    @cached_property
    def _queue(self) -> ForwardQueue:
        side_by_side, threads = lanes(wide=self._config["hidden_size"] >= WIDE_FROM)
        return ForwardQueue(
            self._score, budget=batch_tokens(), lanes=side_by_side, lane_threads=threads
        )

    def _score(self, jobs: Sequence[Job]) -> list[float]:
        self.load()
        pairs = cast("Sequence[PairJob]", jobs)
        ids, mask = pad([pair.ids for pair in pairs], pad_id=self._pad_id, device=device())
        types = None
        if self._config["type_vocab_size"] > 1:
            types, _ = pad([pair.types for pair in pairs], pad_id=0, device=device())
        with torch.inference_mode():
            output = self._model(input_ids=ids, attention_mask=mask, token_type_ids=types)
            # In single precision every logit over 17 would be a score of 1: a tie.
            scores: list[float] = torch.sigmoid(output.logits.squeeze(1).double()).tolist()
        return scores

    @cached_property
    def _folder(self) -> Path:
        return find_checkpoint(self._checkpoint, revision=self._revision)

    @property
    def _pad_id(self) -> int:
        return int(self._config["pad_token_id"])

    @cached_property
    def _config(self) -> dict[str, Any]:
        path = self._folder / "config.json"
        config = read_json(path)
        if config.get("model_type") not in MODEL_TYPES or "auto_map" in config:
            raise CheckpointInvalid(
                f"{path}: model_type {config.get('model_type')!r}; known are "
                f"{', '.join(MODEL_TYPES)}, without code of their own (auto_map)."
            )
        lacking = [key for key in CONFIG_KEYS if not isinstance(config.get(key), int)]
        if lacking:
            raise CheckpointInvalid(f"{path} lacks {', '.join(lacking)}. Get the file again.")
        return config

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return load_tokenizer(self._folder, vocabulary=self._config["vocab_size"])

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 - a torch module
        started = time.monotonic()
        # Never bfloat16: its 8 bits turn logits that are close into ties.
        model = load_transformer(
            self._folder,
            model_class="AutoModelForSequenceClassification",
            dtype=torch.float32,
        )
        if model.config.num_labels != 1:
            raise CheckpointInvalid(
                f"{self._folder}: the model has {model.config.num_labels} labels, a reranker one."
            )
        return make_ready(self._name, model, started=started)


def _no_head(_states: torch.Tensor, _ids: Sequence[int]) -> None:
    """The model's own classifier gives the score."""
