"""Counts tokens where the model is elsewhere: by its tokenizer's file, or by estimate.

Both give a text's tokens as character spans, so that it can be cut into windows. An estimate
is on the high side for most texts; where it is too low the server refuses, and the text is
cut smaller.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from embeddings.encoders.tokenizer import load_tokenizer

_CJK = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana, han
    "\uac00-\ud7af\U00020000-\U0003ffff"  # hangul, rarer han
)
# A CJK character, a digit, up to three letters of another script, or any other mark.
_TOKEN = re.compile(rf"[{_CJK}]|\d|(?:(?![{_CJK}])[^\W\d_]){{1,3}}|\S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """(start, end) characters of each token of a text, and the number of its word."""

    offsets: list[tuple[int, int]]
    words: list[int | None]


class TokenCounter(Protocol):
    """Cuts texts into tokens, without special tokens."""

    @property
    def exact(self) -> bool:
        """Whether these are the model's own tokens."""

    @property
    def special_tokens(self) -> int:
        """How many special tokens stand around a text."""

    @property
    def identity(self) -> str:
        """For fingerprints: other spans, other windows, other vectors."""

    def spans(self, text: str) -> Spans:
        """The tokens of one text."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""


class EstimatedTokenizer:
    """About a token for each CJK character, digit and mark, and for each three letters."""

    exact = False
    special_tokens = 2
    identity = "estimate-1"

    def spans(self, text: str) -> Spans:
        """A word is what stands together without white space."""
        offsets = [match.span() for match in _TOKEN.finditer(text)]
        words: list[int | None] = [0] if offsets else []
        word = 0
        for (_, end), (start, _) in pairwise(offsets):
            word += start != end
            words.append(word)
        return Spans(offsets=offsets, words=words)

    def count(self, texts: Sequence[str]) -> list[int]:
        """At least one for every word and mark."""
        return [sum(1 for _ in _TOKEN.finditer(text)) for text in texts]


class LocalTokenizer:
    """The model's own tokenizer, from a folder with its tokenizer.json.

    Raises CheckpointInvalid when it cannot be read.
    """

    exact = True

    def __init__(self, folder: Path) -> None:
        self._tokenizer = load_tokenizer(folder)
        file = folder / "tokenizer.json"
        content = file.read_bytes() if file.exists() else str(folder).encode()
        self.identity = hashlib.sha256(content).hexdigest()[:12]

    @property
    def special_tokens(self) -> int:
        """How many special tokens stand around a text."""
        return self._tokenizer.special_tokens

    def spans(self, text: str) -> Spans:
        """The tokens of one text."""
        [tokens] = self._tokenizer.tokenize([text])
        return Spans(offsets=tokens.offsets, words=tokens.words)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        return self._tokenizer.count(texts)


def open_tokenizer(folder: str) -> TokenCounter:
    """The tokenizer in `folder`, or without a folder the estimate. Raises CheckpointInvalid."""
    return LocalTokenizer(Path(folder)) if folder else EstimatedTokenizer()
