"""Embedding models on a server of one's own: vLLM, TEI, Infinity, or whatever speaks OpenAI's
`/v1/embeddings`, OpenAI's included. Never a text that the server cut in silence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from embeddings.encoders.api.http import Answer, JsonClient
from embeddings.encoders.api.keys import key_reader
from embeddings.encoders.api.pacing import Plan
from embeddings.encoders.api.remote_calls import Limits, rows_of, send_all
from embeddings.encoders.api.remote_texts import check_texts
from embeddings.encoders.api.vectors_wire import read_data, read_rows
from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Task
from embeddings.encoders.estimate import open_tokenizer
from embeddings.encoders.text_windows import Rows, WindowSizes, embed_windows
from embeddings.encoders.vectors import unit_rows
from embeddings.errors import CheckpointInvalid

KEY_NAME = "REMOTE_API_KEY"
BATCH_TOKENS = 16_384  # TEI's --max-batch-tokens
QUESTION_SECONDS = 10.0  # somebody waits
SERVERS = ("openai", "vllm", "tei", "infinity", "unabridged", "other")
CUTS_IN_SILENCE = {"infinity", "other"}  # or may do so


class RemoteEncoder:
    """The Encoder protocol over HTTP.

    `window` is the most tokens of one text, special tokens included; windows share `overlap`
    tokens, by default a fifth. Of the servers, TEI is
    asked at its own `/embed` with `truncate: false`, because its OpenAI route cuts; Infinity
    cuts in any case, so that it needs a `tokenizer` (a folder with the model's tokenizer.json)
    to measure texts before they are sent. The others refuse what is too long.
    Raises CheckpointInvalid for options that do not go together.
    """

    strategy = "windows"

    def __init__(
        self,
        *,
        url: str,
        model: str,
        dimension: int,
        window: int,
        server: str = "openai",
        api_key: str = "",
        send_dimensions: bool = False,
        query_prompt: str = "",
        passage_prompt: str = "",
        tokenizer: str = "",
        strategy: str = "windows",
        passage_tokens: int = 200,
        overlap: int | None = None,
        batch_items: int = 32,
        concurrency: int = 8,
        seconds: float = 60.0,
    ) -> None:
        _check_options(server, strategy, tokenizer)
        self.dimension, self.window = dimension, window
        self._name, self._server, self._send_dimensions = model, server, send_dimensions
        self._prompts = {
            Task.RETRIEVAL_QUERY: query_prompt,
            Task.RETRIEVAL_PASSAGE: passage_prompt,
        }
        self._question_seconds = min(seconds, QUESTION_SECONDS)
        self._counter = open_tokenizer(tokenizer)
        self._client = JsonClient(
            url.rstrip("/").removesuffix("/v1"),
            key=key_reader(api_key, setting=KEY_NAME),
            key_name=KEY_NAME,
            pacer=Plan(concurrency=concurrency).pacer(),
            seconds=seconds,
        )
        self._limits = Limits(items=batch_items, tokens=BATCH_TOKENS, threads=concurrency)
        self._sizes = self._fit(passage_tokens, overlap)

    @property
    def fingerprint(self) -> str:
        """Changes with the model, the prompts and the way of cutting; the key is not in it."""
        prompts = repr(sorted(self._prompts.items())).encode()
        digest = hashlib.sha256(prompts).hexdigest()[:8]
        sizes = f"windows={self._sizes.window}/{self._sizes.overlap}/{self._sizes.room}"
        return f"remote:{self._name}:{self.dimension}:{digest}:{sizes}:{self._counter.identity}"

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Windows of all documents together, as many in one request as the server takes."""
        return embed_windows(
            documents, embed=self._embed_passages, counter=self._counter, sizes=self._sizes
        )

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """With the prompt for questions; gives up sooner than for articles."""
        rows = self._embed(questions, Task.RETRIEVAL_QUERY, self._question_seconds)
        return unit_rows(rows.vectors)

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """With the task's prompt, if it has one."""
        return unit_rows(self._embed(texts, task).vectors)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Exact with a tokenizer, else an estimate."""
        return self._counter.count(texts)

    def _fit(self, passage_tokens: int, overlap: int | None) -> WindowSizes:
        [prompt] = self._counter.count([self._prompts[Task.RETRIEVAL_PASSAGE]])
        # Four to spare: joined texts may take a token more than each alone.
        room = self.window - self._counter.special_tokens - prompt - 4
        if room < 1:
            raise CheckpointInvalid(f"The prompt leaves no room in a window of {self.window}.")
        size = min(passage_tokens, room)
        return WindowSizes(
            window=size, overlap=size // 5 if overlap is None else overlap, room=room
        )

    def _embed_passages(self, texts: Sequence[str], _: Sequence[int]) -> Rows:
        return self._embed(texts, Task.RETRIEVAL_PASSAGE)

    def _embed(self, texts: Sequence[str], task: Task, seconds: float | None = None) -> Rows:
        prompted = [f"{self._prompts.get(task, '')}{text}" for text in texts]
        lengths = check_texts(prompted, self._counter, window=self.window, name=self._name)

        def send(batch: Sequence[str], tokens: int) -> Rows:
            return self._send(batch, tokens, seconds)

        if not texts:
            return Rows(vectors=np.zeros((0, self.dimension), dtype=np.float32), scales=np.zeros(0))
        return send_all(prompted, lengths, send, self._limits)

    def _send(self, texts: Sequence[str], tokens: int, seconds: float | None) -> Rows:
        path = "/embed" if self._server == "tei" else "/v1/embeddings"
        answer = self._client.post(path, self._body(texts), tokens=tokens, seconds=seconds)
        reading = partial(self._read, answer, len(texts))
        return rows_of(answer, reading, client=self._client, counter=self._counter, tokens=tokens)

    def _body(self, texts: Sequence[str]) -> dict[str, Any]:
        dimensions = {"dimensions": self.dimension} if self._send_dimensions else {}
        if self._server == "tei":
            return {"inputs": list(texts), "normalize": True, "truncate": False, **dimensions}
        return {
            "model": self._name,
            "input": list(texts),
            "encoding_format": "base64",
            **dimensions,
        }

    def _read(self, answer: Answer, count: int) -> Matrix:
        if self._server == "tei":
            return read_rows(answer.body, count=count, dimension=self.dimension)
        data = answer.body.get("data") if isinstance(answer.body, dict) else None
        return read_data(data, count=count, dimension=self.dimension)


def _check_options(server: str, strategy: str, tokenizer: str) -> None:
    if server not in SERVERS:
        raise CheckpointInvalid(f"No server is called {server!r}; there are {SERVERS}.")
    if strategy != "windows":
        raise CheckpointInvalid("Only the strategy 'windows' works with a server of one's own.")
    if server in CUTS_IN_SILENCE and not tokenizer:
        raise CheckpointInvalid(
            f"{server} cuts texts in silence: give the option tokenizer, so that they are measured."
        )
