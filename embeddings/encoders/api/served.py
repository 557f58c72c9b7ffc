"""An encoder whose forward passes are done by our encoder server (`ENCODER_URL`).

The tokenizer and the configuration are read here, so that counting tokens costs no request;
the weights are only there. The fingerprint is the server's, and each answer names that of the
encoder that made it: a server whose weights or options changed is refused, never mixed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from embeddings.encoders.api.http import Answer, JsonClient
from embeddings.encoders.api.vectors_wire import InvalidResponse, in_order, read_data, read_rows
from embeddings.encoders.base import (
    Document,
    EmbeddedDocument,
    Encoder,
    Matrix,
    Passage,
    Task,
    Vector,
)
from embeddings.errors import EncoderUnavailable, FingerprintChanged

# Headers of the encoder server: which encoder answered; that somebody waits for the vectors,
# whatever their task and number.
FINGERPRINT = "X-Encoder-Fingerprint"
PRIORITY, INTERACTIVE = "X-Priority", "interactive"
# A claim of articles may take minutes of one server's time; a person does not wait so long.
DOCUMENT_SECONDS, TEXT_SECONDS = 600.0, 20.0
SLOWEST_CHARACTERS = 50  # a second, of a large model on few cores behind others' work
Read = TypeVar("Read")


class ServedEncoder:
    """The Encoder protocol over HTTP; `local` is the same encoder here, its weights unloaded."""

    def __init__(self, local: Encoder, *, alias: str, url: str, api_key: str = "") -> None:
        self._local = local
        self._alias = alias
        self._known: str | None = None
        self._client = JsonClient(
            f"{url.rstrip('/').removesuffix('/v1')}/v1",
            key=lambda: api_key,
            key_name="ENCODER_API_KEY",
            headers={PRIORITY: INTERACTIVE},
            seconds=TEXT_SECONDS,
        )

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._local.dimension

    @property
    def window(self) -> int:
        """Most tokens of a question."""
        return self._local.window

    @property
    def fingerprint(self) -> str:
        """The server's own, asked for once: the weights that it is made of are only there.

        Raises EncoderUnavailable when the server is away or does not serve this encoder.
        """
        if self._known is None:
            self._known = self._ask_fingerprint()
        return self._known

    @property
    def full_fingerprint(self) -> str:
        """As the server's, of vectors that are not shortened."""
        return self.fingerprint.replace(f":first-{self.dimension}", "")

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """One request for all."""
        if not documents:
            return []
        items = [
            {"title": each.title, "body": each.body, "language": each.language}
            for each in documents
        ]
        characters = sum(len(each.body) for each in documents)
        seconds = max(DOCUMENT_SECONDS, characters / SLOWEST_CHARACTERS)
        answer = self._post("/documents", {"documents": items}, seconds=seconds)
        return self._read(
            lambda: [
                self._document(item)
                for item in in_order(answer.body.get("data"), count=len(documents))
            ]
        )

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """With the query adapter and prompt, before the server's bulk work."""
        return self.encode(questions, Task.RETRIEVAL_QUERY)

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """One request for all, before the server's bulk work whatever the task."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        answer = self._post(
            "/embeddings",
            {"input": list(texts), "task": task, "truncate": False, "embedding_type": "base64"},
            seconds=TEXT_SECONDS,
        )
        return self._read(
            lambda: read_data(answer.body.get("data"), count=len(texts), dimension=self.dimension)
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """With the tokenizer that is here."""
        return self._local.count_tokens(texts)

    def _post(self, path: str, body: dict[str, Any], *, seconds: float | None = None) -> Answer:
        answer = self._client.post(path, {"model": self._alias, **body}, seconds=seconds)
        served = answer.headers.get(FINGERPRINT, "none")
        if served != self.fingerprint:
            known, self._known = self.fingerprint, None
            raise FingerprintChanged(
                f"The encoder server has {self._alias!r} as {served!r}, no longer as {known!r}: "
                "restore its checkpoint and options, or build a new index version."
            )
        return answer

    def _ask_fingerprint(self) -> str:
        listed = self._client.get("/models", seconds=TEXT_SECONDS).body
        models = listed.get("data") if isinstance(listed, dict) else None
        for model in models or []:
            if isinstance(model, dict) and model.get("id") == self._alias:
                return str(model["fingerprint"])
        raise EncoderUnavailable(
            f"The encoder server does not serve {self._alias!r}: start it with "
            f"--encoder {self._alias}."
        )

    def _read(self, read: Callable[[], Read]) -> Read:
        try:
            return read()
        except (InvalidResponse, KeyError, TypeError, ValueError) as error:
            raise self._client.nonsense(InvalidResponse(str(error))) from error

    def _document(self, item: Any) -> EmbeddedDocument:  # noqa: ANN401 - JSON
        passages = item["passages"]
        vectors = read_rows(
            [each["embedding"] for each in passages],
            count=len(passages),
            dimension=self.dimension,
        )
        return EmbeddedDocument(
            vector=self._vector(item["embedding"]),
            passages=tuple(
                Passage(
                    start=int(each["start"]),
                    end=int(each["end"]),
                    tokens=int(each["tokens"]),
                    vector=vector,
                )
                for each, vector in zip(passages, vectors, strict=True)
            ),
            tokens=int(item["tokens"]),
            covered_characters=int(item["covered_characters"]),
        )

    def _vector(self, row: object) -> Vector:
        vector: Vector = read_rows([row], count=1, dimension=self.dimension)[0]
        return vector
