"""Sentences inside the blocks of an article, with offsets.

Prose is cut by sentencex; headings, list items, table rows and code are what Markdown says
they are, and only prose inside them is cut further.
"""

from __future__ import annotations

from sentencex import get_sentence_boundaries

from kb.blocks import Block, BlockKind, trim

PROSE = {BlockKind.TEXT, BlockKind.ITEM}


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
