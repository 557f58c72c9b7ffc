"""A deterministic encoder for tests: words hashed into buckets. Never for real use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Passage, Task

WORD = re.compile(r"\w+", re.UNICODE)


class HashEncoder:
    """Same words, same direction; a passage for every `passage_words` words."""

    def __init__(
        self,
        *,
        dimension: int = 64,
        passage_words: int = 50,
        name: str = "hash",
        strategy: str = "windows",
    ) -> None:
        self.dimension = dimension
        self.window = 8192
        self.strategy = strategy
        self.fingerprint = f"hash:{name}:{dimension}:{passage_words}"
        self._passage_words = passage_words

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Passages of whole words, without overlap."""
        return [self._embed(document) for document in documents]

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """Bag-of-words vectors."""
        return self.encode(questions, Task.RETRIEVAL_QUERY)

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:  # noqa: ARG002 - one space for all tasks
        """Bag-of-words vectors, the same for every task."""
        vectors = [self._vector(text) for text in texts]
        return np.array(vectors, dtype=np.float32).reshape(len(texts), self.dimension)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words."""
        return [len(WORD.findall(text)) for text in texts]

    def _embed(self, document: Document) -> EmbeddedDocument:
        words = list(WORD.finditer(document.body))
        passages = []
        for first in range(0, max(len(words), 1), self._passage_words):
            group = words[first : first + self._passage_words]
            start = group[0].start() if first else 0
            after = first + self._passage_words
            end = words[after].start() if after < len(words) else len(document.body)
            vector = self._vector(f"{document.title} {document.body[start:end]}")
            passages.append(Passage(start=start, end=end, tokens=len(group), vector=vector))
        return EmbeddedDocument(
            vector=self._vector(f"{document.title} {document.body}"),
            passages=tuple(passages),
            tokens=len(words),
            covered_characters=len(document.body),
        )

    def _vector(self, text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        vector = np.full(self.dimension, 1e-3, dtype=np.float32)
        for word in WORD.findall(text.lower()):
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            number = int.from_bytes(digest, "big")
            vector[number % self.dimension] += 1.0 if number >> 63 else -1.0
        return vector / np.linalg.norm(vector)
