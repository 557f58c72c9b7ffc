"""An encoder whose weights are in this process: tokenizer, backbone, pooling and prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from embeddings.encoders.backbone import Backbone, Ids
from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Task
from embeddings.encoders.compute import device, lanes
from embeddings.encoders.cuts import Cut, Cutting, cut_into_windows, cut_late
from embeddings.encoders.late import States, pool_spans, token_spans
from embeddings.encoders.pooling import POOLING
from embeddings.encoders.queue import ForwardQueue, Head, Job
from embeddings.encoders.tokenizer import TextTokenizer, Tokens
from embeddings.encoders.vectors import shorten
from embeddings.errors import TextTooLong

# Padded tokens of one forward pass. More is no faster on CPU, and a question that comes
# meanwhile has to wait for it.
BATCH_TOKENS = 2048
GPU_BATCH_TOKENS = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What makes an encoder out of a backbone.

    `identity` names the weights and what else changes vectors beside the fields here (it reads
    all of the files, so it is asked for once, and only when needed);
    `pooling` is a key of POOLING; `window` bounds a question or text, special tokens included;
    `prompts` stand in front of texts, by task; `dimension` may be below the backbone's width
    (Matryoshka).
    """

    identity: Callable[[], str]
    name: str
    backbone: Backbone
    tokenizer: TextTokenizer
    pooling: str
    strategy: str
    cutting: Cutting
    window: int
    dimension: int
    smallest_dimension: int = 0
    prompts: Mapping[Task, str] = field(default_factory=dict)


class LocalEncoder:
    """The Encoder protocol over a backbone; what many threads ask at once shares batches."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._pool = POOLING[parts.pooling]
        side_by_side, threads = lanes(wide=parts.backbone.wide)
        self._queue = ForwardQueue(
            self._forward, budget=batch_tokens(), lanes=side_by_side, lane_threads=threads
        )

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._parts.dimension

    @property
    def window(self) -> int:
        """Most tokens of a question or text, special tokens included."""
        return self._parts.window

    @property
    def name(self) -> str:
        """What the model is called where it was published."""
        return self._parts.name

    @property
    def smallest_dimension(self) -> int:
        """To how few dimensions its vectors may be shortened."""
        return self._parts.smallest_dimension or self.dimension

    @property
    def strategy(self) -> str:
        """How documents are cut."""
        return self._parts.strategy

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the tokenizer, the prompts and the way of cutting."""
        return self._fingerprint(self._parts.dimension)

    @property
    def full_fingerprint(self) -> str:
        """As `fingerprint`, of vectors that are not shortened."""
        return self._fingerprint(self._parts.backbone.hidden)

    def _fingerprint(self, dimension: int) -> str:
        parts = self._parts
        marks = [parts.identity(), _describe(parts.strategy, parts.cutting), parts.pooling, "unit"]
        if dimension != parts.backbone.hidden:
            marks.append(f"first-{dimension}")
        if parts.prompts:
            said = "|".join(f"{task}={prompt}" for task, prompt in sorted(parts.prompts.items()))
            marks.append(f"prompts-{hashlib.sha256(said.encode()).hexdigest()[:8]}")
        return ":".join(marks)

    def load(self) -> None:
        """Load the weights now rather than with the first text."""
        self._parts.backbone.load()

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """All documents together in token-budgeted batches, behind waiting questions."""
        cuts = [self._cut(document) for document in documents]
        jobs = [
            self._job(ids, Task.RETRIEVAL_PASSAGE, late=cut.late)
            for cut in cuts
            for ids in cut.inputs
        ]
        outputs = iter(self._run(jobs, urgent=False))
        return [cut.assemble([next(outputs) for _ in cut.inputs], self.dimension) for cut in cuts]

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """With the query prompt and adapter, ahead of bulk work."""
        return self.encode(questions, Task.RETRIEVAL_QUERY)

    def encode(self, texts: Sequence[str], task: Task, *, urgent: bool = True) -> Matrix:
        """Raises TextNotEmbeddable for a text that does not fit the window."""
        return shorten(self.pool(texts, task, urgent=urgent), self.dimension)

    def pool(self, texts: Sequence[str], task: Task, *, urgent: bool = True) -> Matrix:
        """As `encode`, but neither shortened nor of unit length: shape (n, hidden)."""
        jobs = [self._job(ids, task) for ids in self._inputs(texts, task)]
        return self._matrix(self._run(jobs, urgent=urgent))

    def pool_late(self, texts: Sequence[str], task: Task) -> Matrix:
        """Late chunking of consecutive pieces of one text: joined as they are, one forward
        pass, the mean of each piece's token states. Shape (n, hidden), not of unit length.

        Raises TextNotEmbeddable when all together do not fit the window.
        """
        prompt, tokenizer = self._prompt(task), self._parts.tokenizer
        whole = f"{prompt}{''.join(texts)}"
        [tokens] = tokenizer.tokenize([whole])
        ids = self._wrapped(tokens)
        edges = [0, *np.cumsum([len(prompt) + len(texts[0]), *map(len, texts[1:])]).tolist()]
        spans = token_spans(
            tokenizer.first_characters(whole, tokens),
            list(pairwise(edges)),
            before=len(tokenizer.prefix),
            total=len(ids),
        )
        [states] = self._run([self._job(ids, task, late=True)], urgent=False)
        return pool_spans(states, spans)

    def truncate(self, texts: Sequence[str], task: Task) -> list[str]:
        """Each text, or as much of its beginning as fits the window together with the prompt."""
        return [self._truncated(text, self._prompt(task)) for text in texts]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        return self._parts.tokenizer.count(texts)

    def run_head(self, texts: Sequence[str], task: Task, head: Head) -> list[Any]:
        """What `head` makes of each text's token states (other heads of the same model)."""
        jobs = [Job(ids=ids, task=task, head=head) for ids in self._inputs(texts, task)]
        return self._run(jobs, urgent=True)

    def _run(self, jobs: Sequence[Job], *, urgent: bool) -> list[Any]:
        self.load()  # weights that cannot be loaded are an error once, not once per input
        return self._queue.run(jobs, urgent=urgent)

    def _inputs(self, texts: Sequence[str], task: Task) -> list[list[int]]:
        prompt = self._prompt(task)
        tokens = self._parts.tokenizer.tokenize([f"{prompt}{text}" for text in texts])
        return [self._wrapped(each) for each in tokens]

    def _wrapped(self, tokens: Tokens) -> list[int]:
        """With the special tokens. Raises TextTooLong for what does not fit the window."""
        ids = self._parts.tokenizer.wrap(tokens.ids)
        if len(ids) > self.window:
            raise TextTooLong(
                f"A text of {len(tokens.ids)} tokens does not fit the {self.window} of "
                f"{self._parts.name}; split it."
            )
        return ids

    def _truncated(self, text: str, prompt: str) -> str:
        tokenizer = self._parts.tokenizer
        room = self.window - tokenizer.special_tokens
        [tokens] = tokenizer.tokenize([f"{prompt}{text}"])
        kept, left = text, min(room, len(tokens.ids))
        # A word cut in two may be more tokens than it was: shorter, then, until it fits.
        while tokenizer.count([f"{prompt}{kept}"])[0] > room and left:
            kept = text[: max(0, tokens.offsets[left - 1][1] - len(prompt))]
            left -= 1
        return kept

    def _prompt(self, task: Task) -> str:
        return self._parts.prompts.get(task, "")

    def _cut(self, document: Document) -> Cut:
        cut = cut_late if self._parts.strategy == "whole_late" else cut_into_windows
        prompt = self._prompt(Task.RETRIEVAL_PASSAGE)
        return cut(document, self._parts.tokenizer, self._parts.cutting, prompt=prompt)

    def _job(self, ids: Ids, task: Task, *, late: bool = False) -> Job:
        return Job(ids=ids, task=task, head=_token_states if late else self._pooled)

    def _pooled(self, states: torch.Tensor, _: Ids) -> States:
        return _numpy(self._pool(states.float()))

    def _matrix(self, rows: Sequence[States]) -> Matrix:
        if not rows:
            return np.zeros((0, self._parts.backbone.hidden), dtype=np.float32)
        return np.stack(rows)

    def _forward(self, jobs: Sequence[Job]) -> list[Any]:
        with torch.inference_mode():
            states = self._parts.backbone.states(
                [job.ids for job in jobs], [job.task for job in jobs]
            )
            return [job.head(each, job.ids) for job, each in zip(jobs, states, strict=True)]


def _describe(strategy: str, cut: Cutting) -> str:
    way = f"{strategy}={cut.passage_tokens}/{cut.overlap}"
    if strategy == "whole_late" or cut.whole_pass:
        way += f"/{cut.window}/{cut.window_overlap}"
    return f"{way}:{'title' if cut.title else 'no-title'}"


def batch_tokens() -> int:
    """Padded tokens of one forward pass on this machine's device."""
    return BATCH_TOKENS if device().type == "cpu" else GPU_BATCH_TOKENS


def _token_states(states: torch.Tensor, _: Ids) -> States:
    return _numpy(states)


def _numpy(tensor: torch.Tensor) -> States:
    array: States = tensor.float().cpu().numpy()
    return array
