"""The seam between text and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]  # shape (dimension,), unit length
Matrix: TypeAlias = NDArray[np.float32]  # shape (n, dimension), rows of unit length


class Task(StrEnum):
    """What the vectors are for; the names of Jina's adapters (arXiv 2409.10173)."""

    RETRIEVAL_QUERY = "retrieval.query"
    RETRIEVAL_PASSAGE = "retrieval.passage"
    TEXT_MATCHING = "text-matching"
    SEPARATION = "separation"
    CLASSIFICATION = "classification"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An article to embed. Offsets in the answer count characters of `body`."""

    title: str
    body: str
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """`body[start:end]`, its token count (specials and title not counted), its vector."""

    start: int
    end: int
    tokens: int
    vector: Vector = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedDocument:
    """A whole document: one pooled vector and the vectors of its passages.

    `tokens` counts the body with the encoder's own tokenizer, once (overlaps not counted
    twice); `covered_characters` is how much of the body the passages reach: anything less
    than all of it is shown to the editor.
    """

    vector: Vector = field(repr=False)
    passages: tuple[Passage, ...]
    tokens: int
    covered_characters: int


class Encoder(Protocol):
    """Turns text into unit vectors. Thread-safe; loads its weights on first use."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""

    @property
    def window(self) -> int:
        """Most tokens of one forward pass, special tokens included."""

    @property
    def fingerprint(self) -> str:
        """Family, model, revision and every option that changes the vectors."""

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """One result per document, in order.

        Raises TextNotEmbeddable (final) or EncoderUnavailable (safe to retry).
        """

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """Shape (len(questions), dimension). A question over the window is refused
        (TextNotEmbeddable), never cut."""

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """Shape (len(texts), dimension); texts over the window are refused.

        For the few texts that a person waits for; local encoders put it before bulk work.
        """

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""


@runtime_checkable
class PoolingEncoder(Protocol):
    """An encoder that also gives vectors before they are shortened and made unit length."""

    def pool(self, texts: Sequence[str], task: Task, *, urgent: bool = True) -> Matrix:
        """Shape (len(texts), hidden); texts over the window are refused."""

    def pool_late(self, texts: Sequence[str], task: Task) -> Matrix:
        """Late chunking of consecutive pieces of one text: shape (len(texts), hidden), a mean
        of token states for each. Refused (TextNotEmbeddable) if all together do not fit."""

    def truncate(self, texts: Sequence[str], task: Task) -> list[str]:
        """Each text, or as much of its beginning as fits the window (asked for, never silent)."""


@runtime_checkable
class ShorteningEncoder(Protocol):
    """An encoder that gives the first numbers of its model's vectors (Matryoshka)."""

    @property
    def full_fingerprint(self) -> str:
        """Of the same encoder with nothing cut off; its own when nothing is."""
