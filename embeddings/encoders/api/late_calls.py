"""Late chunking at an API that joins the texts of one request (Jina's `late_chunking`).

A request's texts are consecutive passages of one article: joined they are title and body.
An article over the model's window takes several requests; each later one begins with the
last passages of the one before, whose repeated vectors are dropped (arXiv 2409.04701).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from embeddings.encoders.base import Document, EmbeddedDocument, Passage
from embeddings.encoders.cuts import TITLE_END
from embeddings.encoders.estimate import TokenCounter
from embeddings.encoders.late import weighted_mean
from embeddings.encoders.passages import cut_passages
from embeddings.encoders.text_windows import FEWEST_TOKENS, Rows, require_text
from embeddings.encoders.vectors import unit_rows
from embeddings.errors import TextTooLong

SendLate: TypeAlias = Callable[[Sequence[str], int], Rows]  # texts, their tokens together

# Pieces cut inside a sentence may take a token more than they did as part of it.
EXTRA_PER_PIECE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LateSizes:
    """Tokens of a passage, of a whole request, and of what two requests share at most; the
    most texts of one request."""

    passage: int
    request: int
    context: int
    items: int = 128

    def smaller(self) -> Iterator[LateSizes]:
        """Itself, then shorter requests, with shorter passages when these would not fit."""
        sizes = self
        while sizes.request >= FEWEST_TOKENS:
            yield sizes
            request = sizes.request // 2
            sizes = replace(
                sizes,
                request=request,
                passage=max(1, min(sizes.passage, request // 2)),
                context=min(sizes.context, request // 4),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """An article as the texts that are sent: joined they are `title`, a break and the body.

    `ranges` are the characters of the body in each; the first text has the title in front.
    `lengths` are tokens, with the title's, and `body_lengths` without.
    """

    texts: list[str]
    ranges: list[tuple[int, int]]
    lengths: list[int]
    body_lengths: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: pieces `context:last`, of which those before `first` are only context."""

    context: int
    first: int
    last: int


def embed_late(
    document: Document, *, send: SendLate, counter: TokenCounter, sizes: LateSizes
) -> EmbeddedDocument:
    """A document out of one request, or as few as the window allows.

    What the server finds too long is sent in smaller requests, so that no text is lost.
    Raises TextNotEmbeddable (final) or EncoderUnavailable (safe to retry).
    """
    refused: TextTooLong | None = None
    for smaller in sizes.smaller():
        pieces = cut_pieces(document, counter, size=smaller.passage)
        try:
            return _embed(pieces, smaller, send)
        except TextTooLong as error:
            refused = error
    raise refused or TextTooLong("No passage of this article is short enough for the model.")


def cut_pieces(document: Document, counter: TokenCounter, *, size: int) -> Pieces:
    """Raises TextNotEmbeddable for an article that is not text."""
    require_text(document)
    title = f"{document.title}{TITLE_END}" if document.title.strip() else ""
    starts = [start for start, _ in counter.spans(document.body).offsets]
    ranges = cut_passages(document.body, language=document.language, starts=starts, size=size)
    ordered = list(accumulate(starts, max))
    counts = [bisect_left(ordered, end) - bisect_left(ordered, start) for start, end in ranges]
    texts = [document.body[start:end] for start, end in ranges]
    [title_tokens] = counter.count([title])
    return Pieces(
        texts=[f"{title}{texts[0]}", *texts[1:]],
        ranges=ranges,
        lengths=[title_tokens + counts[0], *counts[1:]],
        body_lengths=counts,
    )


def plan_calls(lengths: Sequence[int], sizes: LateSizes) -> list[Call]:
    """Requests of at most `sizes.request` tokens that hold each piece once as new.

    A piece that is over that alone has a request to itself, without context.
    """
    costs = [length + EXTRA_PER_PIECE for length in lengths]
    calls: list[Call] = []
    first = 0
    while first < len(costs):
        context = _context(costs, first, sizes)
        spent, last = sum(costs[context : first + 1]), first + 1
        most = min(len(costs), context + sizes.items)
        while last < most and spent + costs[last] <= sizes.request:
            spent, last = spent + costs[last], last + 1
        calls.append(Call(context=context, first=first, last=last))
        first = last
    return calls


def _context(costs: Sequence[int], first: int, sizes: LateSizes) -> int:
    """The first of the earlier pieces that fit in front of piece `first` as its context."""
    room = min(sizes.context, sizes.request - costs[first])
    context = first
    while context and costs[context - 1] <= room and first - context < sizes.items // 2:
        context -= 1
        room -= costs[context]
    return context


def _embed(pieces: Pieces, sizes: LateSizes, send: SendLate) -> EmbeddedDocument:
    vectors, scales = [], []
    for call in plan_calls(pieces.lengths, sizes):
        sent = slice(call.context, call.last)
        rows = send(pieces.texts[sent], sum(pieces.lengths[sent]))
        vectors.append(rows.vectors[call.first - call.context :])
        scales.append(rows.scales[call.first - call.context :])
    return _assemble(pieces, Rows(vectors=np.concatenate(vectors), scales=np.concatenate(scales)))


def _assemble(pieces: Pieces, rows: Rows) -> EmbeddedDocument:
    """The article is the token-weighted mean of its passages before they are made unit."""
    tokens = [
        round(length * scale)
        for length, scale in zip(pieces.body_lengths, rows.scales, strict=True)
    ]
    passages = tuple(
        Passage(start=start, end=end, tokens=count, vector=vector)
        for (start, end), count, vector in zip(
            pieces.ranges, tokens, unit_rows(rows.vectors), strict=True
        )
    )
    weights = [max(1, length) for length in pieces.lengths]
    return EmbeddedDocument(
        vector=unit_rows(weighted_mean(rows.vectors, weights)[None])[0],
        passages=passages,
        tokens=sum(tokens),
        covered_characters=sum(end - start for start, end in pieces.ranges),
    )
