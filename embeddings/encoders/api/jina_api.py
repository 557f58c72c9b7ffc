"""Jina's embedding models behind Jina's API: nothing is cut, articles are embedded whole.

Requests say `truncate: false`, so that a text over the window is refused rather than cut.
Where the model knows late chunking (v3, v4), an article is one request.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from embeddings.encoders.api.http import Answer
from embeddings.encoders.api.jina_account import JINA_URL, jina_client, jina_plan
from embeddings.encoders.api.jina_models import jina_model
from embeddings.encoders.api.late_calls import LateSizes, embed_late
from embeddings.encoders.api.remote_calls import Limits, rows_of, send_all, side_by_side
from embeddings.encoders.api.remote_texts import check_texts
from embeddings.encoders.api.vectors_wire import InvalidResponse, read_data
from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Task
from embeddings.encoders.estimate import open_tokenizer
from embeddings.encoders.text_windows import Rows, WindowSizes, embed_windows
from embeddings.encoders.vectors import unit_rows
from embeddings.errors import CheckpointInvalid

BATCH_TOKENS = 16_384
WINDOW_CONTEXT = 512  # what two requests for one long article share, in tokens
MARGIN = 64  # special tokens, the prompt that the API puts in front, odd cuts
QUESTION_SECONDS = 10.0  # somebody waits
STRATEGIES = ("whole_late", "windows")


class JinaApiEncoder:
    """The Encoder protocol over `POST /v1/embeddings`.

    `tokenizer` is a folder with the model's tokenizer.json; without it tokens are estimated.
    Windows share `overlap` tokens, by default a fifth.
    `api_key` empty: the setting JINA_API_KEY. Raises CheckpointInvalid for options that the
    model does not have.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str = "",
        url: str = JINA_URL,
        dimensions: int | None = None,
        plan: str = "free",
        strategy: str = "",
        passage_tokens: int = 200,
        overlap: int | None = None,
        tokenizer: str = "",
        batch_items: int = 128,
        seconds: float = 60.0,
    ) -> None:
        self._name = model
        self._model = jina_model(model, dimensions=dimensions)
        self.dimension = dimensions or self._model.dimension
        self.window = self._model.window
        self.strategy = strategy or ("whole_late" if self._model.late else "windows")
        late = self.strategy == "whole_late"
        if self.strategy not in STRATEGIES or (late and not self._model.late):
            raise CheckpointInvalid(f"{model} cannot do the strategy {strategy!r}.")
        self._client = jina_client(url, api_key=api_key, plan=plan, seconds=seconds)
        self._question_seconds = min(seconds, QUESTION_SECONDS)
        self._counter = open_tokenizer(tokenizer)
        threads = jina_plan(plan).concurrency
        self._limits = Limits(items=batch_items, tokens=BATCH_TOKENS, threads=threads)
        room = self.window - MARGIN
        shared = passage_tokens // 5 if overlap is None else overlap
        self._sizes = WindowSizes(window=passage_tokens, overlap=shared, room=room)
        self._late_sizes = LateSizes(
            passage=passage_tokens, request=room, context=WINDOW_CONTEXT, items=batch_items
        )

    @property
    def fingerprint(self) -> str:
        """Changes with the model, its options and the way of cutting; the key is not in it."""
        return self._fingerprint(self.dimension)

    @property
    def full_fingerprint(self) -> str:
        """As `fingerprint`, of vectors that are not shortened."""
        return self._fingerprint(self._model.dimension)

    def _fingerprint(self, dimension: int) -> str:
        way = f"{self.strategy}={self._sizes.window}"
        if self.strategy == "whole_late":
            way += f":{self._late_sizes.request}/{WINDOW_CONTEXT}/{self._late_sizes.items}"
        else:
            way += f"/{self._sizes.overlap}"
        return f"jina-api:{self._name}:{dimension}:{way}:{self._counter.identity}"

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Late chunking: a request for each article; windows: as many in one as the API takes."""
        if self.strategy == "whole_late":
            return side_by_side(self._embed_late, documents, self._limits.threads)
        return embed_windows(
            documents, embed=self._embed_passages, counter=self._counter, sizes=self._sizes
        )

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """With the task of questions; gives up sooner than for articles."""
        return self._encode(questions, Task.RETRIEVAL_QUERY, seconds=self._question_seconds)

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """Raises InvalidInput for a task that the model does not know."""
        return self._encode(texts, task)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Exact with a tokenizer, else an estimate."""
        return self._counter.count(texts)

    def _encode(self, texts: Sequence[str], task: Task, seconds: float | None = None) -> Matrix:
        lengths = check_texts(texts, self._counter, window=self.window, name=self._name)

        def send(batch: Sequence[str], tokens: int) -> Rows:
            return self._send(batch, tokens, task, seconds=seconds)

        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return unit_rows(send_all(texts, lengths, send, self._limits).vectors)

    def _embed_passages(self, texts: Sequence[str], lengths: Sequence[int]) -> Rows:
        return send_all(texts, lengths, self._send_passages, self._limits)

    def _embed_late(self, document: Document) -> EmbeddedDocument:
        return embed_late(
            document, send=self._send_late, counter=self._counter, sizes=self._late_sizes
        )

    def _send_passages(self, texts: Sequence[str], tokens: int) -> Rows:
        return self._send(texts, tokens, Task.RETRIEVAL_PASSAGE)

    def _send_late(self, texts: Sequence[str], tokens: int) -> Rows:
        return self._send(texts, tokens, Task.RETRIEVAL_PASSAGE, late=True)

    def _send(
        self,
        texts: Sequence[str],
        tokens: int,
        task: Task,
        *,
        late: bool = False,
        seconds: float | None = None,
    ) -> Rows:
        body = self._model.body(self._name, task, dimension=self.dimension, late=late)
        body["input"] = list(texts)
        answer = self._client.post("/embeddings", body, tokens=tokens, seconds=seconds)
        reading = partial(self._read, answer, len(texts))
        return rows_of(answer, reading, client=self._client, counter=self._counter, tokens=tokens)

    def _read(self, answer: Answer, count: int) -> Matrix:
        body = answer.body if isinstance(answer.body, dict) else {}
        if body.get("model", self._name) != self._name:
            raise InvalidResponse(f"vectors of another model, {str(body['model'])[:100]!r}")
        return read_data(body.get("data"), count=count, dimension=self.dimension)
