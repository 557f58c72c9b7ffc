"""The structure of an article: its paragraphs, list items, table rows and code, with offsets.

CommonMark with tables by markdown-it, block level only. Plain text is Markdown too: each
paragraph is one block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate

from markdown_it import MarkdownIt
from markdown_it.token import Token


class BlockKind(StrEnum):
    """What a block is."""

    HEADING = "heading"
    TEXT = "text"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`body[start:end]` without the marks before it; `headings` is the path it stands under.

    `group` is the same for the rows of one table and the items of one list; `header` is the
    offsets of the table's first row, for a row.
    """

    kind: BlockKind
    start: int
    end: int
    headings: tuple[str, ...]
    group: int = 0
    header: tuple[int, int] | None = None


# Indented text is code in CommonMark; in pasted help pages it is just indented. HTML and
# link definitions are left as the text they are: what is quoted must be found verbatim.
_PARSER = (
    MarkdownIt("commonmark")
    .enable("table")
    .disable(["code", "html_block", "reference"])
    .disable("inline")
)
_MARKS = re.compile(r"(?:[ \t]|>|(?:[-*+]|\d{1,9}[.)]|#{1,6}|\[[ xX]\])(?=[ \t]))*")
_HEADING = re.compile(r"[ \t>]*#{1,6}[ \t]+")
_HEADING_END = re.compile(r"[ \t]+#+[ \t]*$")
_GROUPS = {"table_open", "bullet_list_open", "ordered_list_open"}


@lru_cache(maxsize=128)
def parse_blocks(body: str) -> tuple[Block, ...]:
    """The blocks of a body in order, none empty. Kept for the bodies asked for last."""
    return tuple(block for block in _Reader(body).blocks() if block.end > block.start)


def headings_at(blocks: tuple[Block, ...], position: int) -> tuple[str, ...]:
    """The path of headings above a character of the body."""
    path: tuple[str, ...] = ()
    for block in blocks:
        if block.start > position:
            break
        path = block.headings
    return path


def trim(body: str, start: int, end: int, *, marks: bool) -> tuple[int, int]:
    """The range without white space at its ends, and without list, quotation and heading
    marks at its beginning if `marks`. Empty (start == end) if nothing is left."""
    if marks:
        found = _MARKS.match(body, start, end)
        start = found.end() if found else start
    text = body[start:end]
    left = start + len(text) - len(text.lstrip())
    return left, max(left, start + len(text.rstrip()))


class _Reader:
    """Walks the tokens of one body."""

    def __init__(self, body: str) -> None:
        self._body = body
        lines = body.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in lines)]
        self._path: list[tuple[int, str]] = []
        self._open: list[Token] = []
        self._group = 0
        self._header: tuple[int, int] | None = None

    def blocks(self) -> Iterator[Block]:
        """In order of their start."""
        # The parser would turn a lone carriage return into a line end and shift the lines.
        for token in _PARSER.parse(self._body.replace("\r", " ")):
            if token.nesting == 1:
                self._enter(token)
            elif token.nesting == -1:
                self._open.pop()
            elif token.type in {"inline", "fence"}:
                yield from self._block(token)

    def _enter(self, token: Token) -> None:
        self._open.append(token)
        if token.type in _GROUPS and not self._inside("list_item_open"):
            self._group += 1
            self._header = None

    def _block(self, token: Token) -> Iterator[Block]:
        if token.type == "fence":
            yield self._make(BlockKind.CODE, *self._span(token, marks=False))
        elif self._inside("table_open"):
            yield from self._row()
        elif self._open and self._open[-1].type == "heading_open":
            yield self._heading(token)
        else:
            kind = BlockKind.ITEM if self._inside("list_item_open") else BlockKind.TEXT
            yield self._make(kind, *self._span(token, marks=True))

    def _row(self) -> Iterator[Block]:
        """A row once: at its first cell."""
        row = next(token for token in reversed(self._open) if token.type == "tr_open")
        if row.meta.get("seen"):
            return
        row.meta["seen"] = True
        start, end = self._span(row, marks=True)
        block = self._make(BlockKind.ROW, start, end)
        if self._header is None:
            self._header = (start, end)
        yield block

    def _heading(self, token: Token) -> Block:
        start, end = self._span(token, marks=False)
        mark = _HEADING.match(self._body, start, end)
        start = mark.end() if mark else start
        text = _HEADING_END.sub("", self._body[start:end].split("\n")[0])
        level = int(self._open[-1].tag[1:])
        self._path = [each for each in self._path if each[0] < level] + [(level, text.strip())]
        return self._make(BlockKind.HEADING, start, start + len(text))

    def _span(self, token: Token, *, marks: bool) -> tuple[int, int]:
        first, last = token.map or [0, 0]
        start, end = self._starts[first], min(self._starts[last], len(self._body))
        return trim(self._body, start, end, marks=marks)

    def _make(self, kind: BlockKind, start: int, end: int) -> Block:
        return Block(
            kind=kind,
            start=start,
            end=max(start, end),
            headings=tuple(text for _, text in self._path),
            group=self._group if kind in {BlockKind.ITEM, BlockKind.ROW} else 0,
            header=self._header if kind == BlockKind.ROW else None,
        )

    def _inside(self, kind: str) -> bool:
        return any(token.type == kind for token in self._open)
