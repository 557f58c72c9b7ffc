"""Jina's API as its OpenAPI document describes it (June 2026): /v1/embeddings, /v1/rerank.

Vectors are bags of hashed words, so that retrieval works. Late chunks hold a little of the
whole text. What the document does not say (how pieces are joined) is done as `"".join`.
"""

from __future__ import annotations

import base64
import itertools
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import Task
from embeddings.encoders.hash import HashEncoder
from tests.standins.server import LoopbackServer, Reply, Request

KEY = "jina_0123456789abcdef0123456789abcdefTESTKEYTESTKEYTESTKEY00000000"
TOKEN = re.compile(r"\w+|[^\w\s]")
COMMON = {"model", "input", "embedding_type", "truncate"}
RETRIEVAL = {"retrieval.query", "retrieval.passage", "text-matching"}
# Of each model its dimension, window, own fields, tasks.
SCHEMAS: dict[str, tuple[int, int, set[str], set[str]]] = {
    "jina-embeddings-v2-base-en": (768, 8192, {"normalized"}, set()),
    "jina-embeddings-v3": (
        1024,
        8192,
        {"task", "dimensions", "late_chunking", "normalized"},
        RETRIEVAL | {"classification", "separation"},
    ),
    "jina-embeddings-v4": (
        2048,
        32_768,
        {"task", "dimensions", "late_chunking", "return_multivector", "return_tokenized_input"},
        RETRIEVAL | {"code.query", "code.passage"},
    ),
    "jina-embeddings-v5-text-small": (
        1024,
        32_768,
        {"task", "dimensions", "normalized"},
        RETRIEVAL | {"clustering", "classification"},
    ),
}
RERANK_FIELDS = {"model", "query", "documents", "top_n", "return_documents", "truncation"}
RERANKERS = {
    "jina-reranker-v2-base-multilingual": RERANK_FIELDS,
    "jina-reranker-v3": RERANK_FIELDS | {"max_doc_length", "return_embeddings"},
}


def words(text: str) -> int:
    """Words and marks: this server's tokens."""
    return len(TOKEN.findall(text))


def error(status: int, code: str, detail: str = "", **headers: str) -> Reply:
    """The API's ErrorResponse."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"detail": detail or f"{code} happened.", "code": code, "request_id": "03f58cd9da22"}
    return Reply(status=status, body=body, headers=named)


def invalid(field: str, message: str) -> Reply:
    """The API's HTTPValidationError."""
    errors = [{"field": f"body.{field}", "message": message, "type": "value_error", "input": None}]
    return Reply(status=422, body={"detail": "Request validation failed", "errors": errors})


class JinaServer(LoopbackServer):
    """`window` overrides the models' own; `rate` is (requests, tokens, at once) in `seconds`."""

    def __init__(
        self,
        *,
        count: Callable[[str], int] = words,
        window: int = 0,
        rate: tuple[float, float, int] = (1e9, 1e9, 1000),
        seconds: float = 60.0,
    ) -> None:
        super().__init__()
        self.count, self.window, self.rate, self.seconds = count, window, rate, seconds
        self.cuts_in_silence, self.tells_remaining = False, True
        self.spent = 0
        self._books: list[tuple[float, int]] = []
        self._booking = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """Key, then schema, then rate, then work."""
        sent = request.headers.get("Authorization")
        if sent is None:
            return error(401, "AUTH_MISSING_API_KEY")
        if sent != f"Bearer {KEY}":
            return error(401, "AUTH_INVALID_API_KEY", "Invalid API key.")
        body = request.body
        embedding = request.path == "/v1/embeddings"
        problem = _embedding_problem(body) if embedding else _rerank_problem(body)
        texts = body.get("input") if embedding else [body.get("query"), *body.get("documents", [])]
        if problem is None:
            problem = self._length_problem(body, texts) or self._rate_problem(texts)
        if problem is not None:
            return problem
        reply = self._embed(body) if embedding else self._rerank(body)
        return Reply(body=reply, headers=self._remaining() if self.tells_remaining else {})

    def forget(self) -> None:
        """A minute has passed."""
        with self._booking:
            self._books.clear()

    def _length_problem(self, body: dict[str, Any], texts: Sequence[str]) -> Reply | None:
        window = self.window or SCHEMAS.get(body["model"], (0, 8192))[1]
        lengths = [self.count(text) for text in texts]
        longest = sum(lengths) + 2 if body.get("late_chunking") else max(lengths, default=0) + 2
        if longest > window and not self.cuts_in_silence:
            detail = f"Input of {longest} tokens exceeds the limit of {window}."
            return error(400, "INPUT_TOKEN_LIMIT_EXCEEDED", detail)
        return None

    def _rate_problem(self, texts: Sequence[str]) -> Reply | None:
        requests, tokens, at_once = self.rate
        with self._booking:
            now = time.monotonic()
            self._books = [(at, n) for at, n in self._books if at > now - self.seconds]
            wait = f"{(self._books[0][0] + self.seconds - now) if self._books else 0:.2f}"
            cost = sum(self.count(text) for text in texts)
            if self.now > at_once:
                return error(429, "RATE_CONCURRENCY_LIMIT_EXCEEDED")
            if len(self._books) + 1 > requests:
                return error(429, "RATE_REQUEST_LIMIT_EXCEEDED", Retry_After=wait)
            if self._books and sum(n for _, n in self._books) + cost > tokens:
                return error(429, "RATE_TOKEN_LIMIT_EXCEEDED", Retry_After=wait)
            self._books.append((now, cost))
            self.spent += cost
        return None

    def _remaining(self) -> dict[str, str]:
        with self._booking:
            requests = self.rate[0] - len(self._books)
            tokens = self.rate[1] - sum(n for _, n in self._books)
        return {
            "X-RateLimit-Remaining-Requests": f"{requests:.0f}",
            "X-RateLimit-Remaining-Tokens": f"{tokens:.0f}",
        }

    def _embed(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = body["input"]
        dimension = body.get("dimensions") or SCHEMAS[body["model"]][0]
        vectors = bags(texts, dimension)
        if body.get("late_chunking"):
            vectors = vectors + 0.1 * bags(["".join(texts)], dimension)
        if body.get("normalized", True) or "normalized" not in SCHEMAS[body["model"]][2]:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        else:
            vectors = vectors * np.array([[1.0 + self.count(text) % 7] for text in texts])
        data = [
            {"object": "embedding", "index": index, "embedding": wire(vector, body)}
            for index, vector in enumerate(vectors)
        ]
        return {"object": "list", "model": body["model"], "data": data, "usage": self._usage(texts)}

    def _rerank(self, body: dict[str, Any]) -> dict[str, Any]:
        [query], documents = bags([body["query"]], 256), bags(body["documents"], 256)
        lowest = -1.0 if body["model"] == "jina-reranker-v3" else 0.0
        scores = [max(lowest, min(1.0, float(document @ query))) for document in documents]
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        results = [{"index": index, "relevance_score": scores[index]} for index in order]
        usage = self._usage([body["query"], *body["documents"]])
        return {"object": "list", "model": body["model"], "results": results, "usage": usage}

    def _usage(self, texts: Sequence[str]) -> dict[str, int]:
        tokens = sum(self.count(text) for text in texts)
        if self.cuts_in_silence and self.window:
            tokens = sum(min(self.count(text), self.window) for text in texts)
        return {"total_tokens": tokens, "prompt_tokens": tokens}


def bags(texts: Sequence[str], dimension: int) -> NDArray[np.float32]:
    """Bags of hashed words, shape (len(texts), dimension), unit length."""
    return HashEncoder(dimension=dimension).encode(texts, Task.RETRIEVAL_PASSAGE)


def wire(vector: NDArray[Any], body: dict[str, Any]) -> str | list[float]:
    """As `embedding_type` or OpenAI's `encoding_format` asks for it."""
    if "base64" in {body.get("embedding_type"), body.get("encoding_format")}:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(number) for number in vector]


def _embedding_problem(body: dict[str, Any]) -> Reply | None:
    if body.get("model") not in SCHEMAS:
        return error(400, "INPUT_MODEL_NOT_FOUND", f"Model {body.get('model')!r} not found.")
    dimension, _, fields, tasks = SCHEMAS[body["model"]]
    for name in body.keys() - COMMON - fields:
        return invalid(name, "Extra inputs are not permitted")
    if body.get("task") is not None and body["task"] not in tasks:
        return invalid("task", f"Input should be one of {sorted(tasks)}")
    if not 0 < (body.get("dimensions") or dimension) <= dimension:
        return invalid("dimensions", f"Input should be 1 to {dimension}")
    texts = body.get("input")
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
        return invalid("input", "Input should be texts that are not empty")
    return None


def _rerank_problem(body: dict[str, Any]) -> Reply | None:
    if body.get("model") not in RERANKERS:
        return error(400, "INPUT_MODEL_NOT_FOUND", f"Model {body.get('model')!r} not found.")
    for name in itertools.chain(body.keys() - RERANKERS[body["model"]]):
        return invalid(name, "Extra inputs are not permitted")
    if not body.get("documents") or not isinstance(body.get("query"), str):
        return invalid("documents", "Input should be a list of at least 1 text")
    return None
