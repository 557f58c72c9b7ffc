"""The seam between a question with its candidates and their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Reranker(Protocol):
    """Reads a question and a document together. Thread-safe; loads its weights on first use."""

    @property
    def fingerprint(self) -> str:
        """Model, revision and every option that changes the scores."""

    @property
    def window(self) -> int:
        """Most tokens of question and document together, special tokens included."""

    def rerank(self, question: str, documents: Sequence[str]) -> list[float]:
        """One score in 0..1 per document, in the order given; higher is more relevant.

        Raises TextNotEmbeddable for a pair over the window: nothing is cut; EncoderUnavailable
        (safe to retry).
        """

    def count_tokens(self, question: str, documents: Sequence[str]) -> int:
        """Tokens of all pairs together, as far as they are known here."""
