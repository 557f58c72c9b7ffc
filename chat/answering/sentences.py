"""Sentences of the context, with offsets into the article's body.

`body[start:end]` never begins or ends with a list marker, heading mark or white space.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chat.retrieval.results import ContextSpan
from chat.retrieval.sources import Source
from kb.blocks import BlockKind, parse_blocks
from kb.sentences import split_block


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
