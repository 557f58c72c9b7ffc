"""How a document becomes inputs of a model, and its states the document's vectors.

One class per strategy. Each prepares `inputs` for one document, says with `late` whether it
wants token states or pooled vectors back, and assembles what comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import Document, EmbeddedDocument, Passage
from embeddings.encoders.late import (
    LongWindow,
    join_states,
    long_windows,
    pool_spans,
    token_spans,
    weighted_mean,
)
from embeddings.encoders.passages import cut_passages
from embeddings.encoders.tokenizer import TextTokenizer, Tokens
from embeddings.encoders.vectors import shorten, unit_mean
from embeddings.encoders.windows import Window, covered_characters, cut_windows
from embeddings.errors import TextNotEmbeddable

NO_TEXT = "The article has no text that this model can read."
TITLE_END = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """Options of cutting, all of which change the vectors. Sizes are in tokens.

    `window` is the longest forward pass, special tokens included; `window_overlap` what two
    passes over an article that is longer share.
    """

    window: int
    passage_tokens: int
    overlap: int
    window_overlap: int
    title: bool = True
    whole_pass: bool = False


class Cut(Protocol):
    """One document, cut."""

    @property
    def inputs(self) -> Sequence[Sequence[int]]:
        """Ids of each forward pass, special tokens included."""

    @property
    def late(self) -> bool:
        """True: `assemble` wants token states, shape (len(ids), hidden), else (hidden,)."""

    def assemble(self, outputs: Sequence[NDArray[Any]], dimension: int) -> EmbeddedDocument:
        """The document's vectors from the outputs of its inputs, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsCut:
    """Overlapping windows, each with the title in front; the article is their mean, or that of
    `whole` passes over the article itself."""

    windows: list[Window]
    inputs: list[list[int]]
    whole: int
    tokens: int
    late: bool = False

    def assemble(self, outputs: Sequence[NDArray[Any]], dimension: int) -> EmbeddedDocument:
        """Vectors of the windows first, then of the whole passes."""
        vectors = shorten(_stack(outputs), dimension)
        passages = tuple(
            Passage(start=w.start, end=w.end, tokens=w.last - w.first, vector=vector)
            for w, vector in zip(self.windows, vectors, strict=False)
        )
        return EmbeddedDocument(
            vector=unit_mean(vectors[-self.whole :]),
            passages=passages,
            tokens=self.tokens,
            covered_characters=covered_characters(self.windows),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LateCut:
    """One pass over prompt, title and body (overlapping ones past the window), then passages."""

    ranges: list[tuple[int, int]]
    spans: list[tuple[int, int]]
    sizes: list[int]
    windows: list[LongWindow]
    inputs: list[list[int]]
    tokens: int
    late: bool = True

    def assemble(self, outputs: Sequence[NDArray[Any]], dimension: int) -> EmbeddedDocument:
        """Late chunking over the joined states."""
        pooled = pool_spans(join_states(outputs, self.windows), self.spans)
        article = weighted_mean(pooled, [last - first for first, last in self.spans])
        passages = tuple(
            Passage(start=start, end=end, tokens=tokens, vector=vector)
            for (start, end), tokens, vector in zip(
                self.ranges, self.sizes, shorten(pooled, dimension), strict=True
            )
        )
        return EmbeddedDocument(
            vector=shorten(article[None], dimension)[0],
            passages=passages,
            tokens=self.tokens,
            covered_characters=sum(end - start for start, end in self.ranges),
        )


def cut_late(
    document: Document, tokenizer: TextTokenizer, cutting: Cutting, *, prompt: str
) -> LateCut:
    """For mean-pooled models. Raises TextNotEmbeddable when there is nothing to read."""
    title = f"{document.title}{TITLE_END}" if cutting.title and document.title else ""
    front = f"{prompt}{title}"
    [text] = tokenizer.tokenize([f"{front}{document.body}"])
    firsts = tokenizer.first_characters(f"{front}{document.body}", text)
    before = sum(first < len(front) for first in firsts)
    starts = [first - len(front) for first in firsts[before:]]
    if not starts and not tokenizer.count([document.title])[0]:
        raise TextNotEmbeddable(NO_TEXT)
    ranges = cut_passages(
        document.body, language=document.language, starts=starts, size=cutting.passage_tokens
    )
    ids = tokenizer.wrap(text.ids)
    spans = token_spans(starts, ranges, before=len(tokenizer.prefix) + before, total=len(ids))
    windows = long_windows(len(ids), size=cutting.window, overlap=cutting.window_overlap)
    return LateCut(
        ranges=ranges,
        spans=spans,
        sizes=_body_tokens(spans, before=len(tokenizer.prefix) + before, after=tokenizer.suffix),
        windows=windows,
        inputs=[ids[w.first : w.last] for w in windows],
        tokens=len(starts),
    )


def cut_into_windows(
    document: Document, tokenizer: TextTokenizer, cutting: Cutting, *, prompt: str
) -> WindowsCut:
    """For models of short context or other pooling. Raises TextNotEmbeddable likewise."""
    body, title = tokenizer.tokenize([document.body, document.title])
    if not body.ids and not (title.ids and cutting.title):
        raise TextNotEmbeddable(NO_TEXT)
    front = tokenizer.ids(prompt.rstrip()) if prompt else []
    room = cutting.window - tokenizer.special_tokens - len(front)
    size = min(cutting.passage_tokens, room)
    windows = _windows(document, body, size=size, overlap=min(cutting.overlap, size // 2))
    # A repeated title is a hint, not content: it takes what the passage leaves.
    front_of = [*front, *(title.ids[: room - size] if cutting.title else [])]
    inputs = [tokenizer.wrap([*front_of, *body.ids[w.first : w.last]]) for w in windows]
    whole = _whole_inputs(document, tokenizer, cutting, prompt) if cutting.whole_pass else []
    return WindowsCut(
        windows=windows,
        inputs=[*inputs, *whole],
        whole=len(whole) or len(windows),
        tokens=len(body.ids),
    )


def _whole_inputs(
    document: Document, tokenizer: TextTokenizer, cutting: Cutting, prompt: str
) -> list[list[int]]:
    """Prompt, title and body at once; past the window, in overlapping parts."""
    ids = tokenizer.ids(f"{prompt}{document.title}{TITLE_END}{document.body}")
    room = cutting.window - tokenizer.special_tokens
    parts = long_windows(len(ids), size=room, overlap=min(cutting.window_overlap, room // 2))
    return [tokenizer.wrap(ids[part.first : part.last]) for part in parts]


def _windows(document: Document, body: Tokens, *, size: int, overlap: int) -> list[Window]:
    return cut_windows(
        body.offsets, body.words, length=len(document.body), size=size, overlap=overlap
    )


def _body_tokens(
    spans: Sequence[tuple[int, int]], *, before: int, after: Sequence[int]
) -> list[int]:
    """Tokens of each passage without prompt, title and special tokens."""
    end = spans[-1][1] - len(after)
    return [max(0, min(last, end) - max(first, before)) for first, last in spans]


def _stack(outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.stack(list(outputs)).astype(np.float32)
