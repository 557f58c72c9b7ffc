"""Sentences of the context, with offsets into the article's body.

Prose is cut by sentencex; headings, list items, table rows and code are what Markdown says
they are, and only prose inside them is cut further. `body[start:end]` never begins or ends
with a list marker, heading mark or white space.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sentencex import get_sentence_boundaries

from chat.retrieval.blocks import Block, BlockKind, parse_blocks, trim
from chat.retrieval.results import ContextSpan
from chat.retrieval.sources import Source

PROSE = {BlockKind.TEXT, BlockKind.ITEM}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """`source.body[start:end]`, inside the block numbered `block` of the article.

    `passage` is the score of the best passage it stands in, `rank` its article's place (0: best).
    """

    source: Source
    start: int
    end: int
    kind: BlockKind
    block: int
    headings: tuple[str, ...]
    passage: float
    rank: int

    @property
    def text(self) -> str:
        """The words, verbatim."""
        return self.source.body[self.start : self.end]


def sentences_of(context: Sequence[ContextSpan]) -> list[Sentence]:
    """Every sentence of the context in its order, headings left out."""
    ranks: dict[int, int] = {}
    for span in context:
        ranks.setdefault(span.source.article_id, len(ranks))
    return [
        sentence for span in context for sentence in _in_span(span, ranks[span.source.article_id])
    ]


def split_block(body: str, block: Block, language: str) -> list[tuple[int, int]]:
    """Offsets of the sentences of a block; a row, a heading or code is one."""
    if block.kind not in PROSE:
        return [(block.start, block.end)]
    text = body[block.start : block.end]
    places = []
    for each in get_sentence_boundaries(language, text):
        start, end = trim(text, each["start_index"], each["end_index"], marks=False)
        begins_line = text[:start].rstrip(" \t>").endswith("\n")
        start, end = trim(text, start, end, marks=begins_line)
        if end > start:
            places.append((block.start + start, block.start + end))
    return places


def _in_span(span: ContextSpan, rank: int) -> Iterator[Sentence]:
    body = span.source.body
    blocks = parse_blocks(body)
    first = max(0, bisect_right(blocks, span.start, key=lambda block: block.start) - 1)
    for number in range(first, len(blocks)):
        block = blocks[number]
        if block.start >= span.end:
            return
        if block.kind == BlockKind.HEADING or block.header == (block.start, block.end):
            continue  # a heading, or the head of a table, says nothing by itself
        for start, end in split_block(body, block, span.source.language):
            if span.start <= start and end <= span.end:
                yield Sentence(
                    source=span.source,
                    start=start,
                    end=end,
                    kind=block.kind,
                    block=number,
                    headings=block.headings,
                    passage=_passage_score(span, start, end),
                    rank=rank,
                )


def _passage_score(span: ContextSpan, start: int, end: int) -> float:
    """Of the best passage that holds most of the sentence; 0 in none."""
    middle = (start + end) / 2
    return max((m.score for m in span.matches if m.start <= middle < m.end), default=0.0)
