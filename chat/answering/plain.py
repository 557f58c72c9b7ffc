"""Markdown as plain, readable text."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

_INLINE = MarkdownIt("commonmark").enable("strikethrough")
# Marks at the start of the second and later lines of a quote: lists, quotations, headings.
_LINE_MARKS = re.compile(r"^(?:[ \t]|>|[-*+](?=[ \t])|#{1,6}(?=[ \t]))+", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$\n?", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")


def plain_text(markdown: str) -> str:
    """Words without marks, on one line, blocks apart by a space."""
    if _FENCE.match(markdown):
        return _collapse(_FENCE.sub("", markdown))
    lines = _LINE_MARKS.sub("", markdown)
    [inline] = _INLINE.parseInline(lines)
    return _collapse("".join(_text_of(token) for token in inline.children or []))


def plain_row(row: str, header: str | None) -> str:
    """A table's row as "Name: value; Name: value"."""
    cells = [plain_text(cell) for cell in _cells(row)]
    names = [plain_text(cell) for cell in _cells(header)] if header else []
    names += [""] * (len(cells) - len(names))
    pairs = [
        f"{name}: {cell}" if name else cell
        for name, cell in zip(names, cells, strict=False)
        if cell
    ]
    return "; ".join(pairs)


def _cells(row: str) -> list[str]:
    inner = row.strip().removeprefix("|")
    inner = inner.removesuffix("|") if not inner.endswith("\\|") else inner
    return _CELL_END.split(inner)


def _text_of(token: Token) -> str:
    if token.type in {"softbreak", "hardbreak"}:
        return " "
    if token.type == "image":
        return "".join(_text_of(child) for child in token.children or [])
    if token.type == "html_inline":
        return " "
    return token.content


def _collapse(text: str) -> str:
    return " ".join(text.split())
