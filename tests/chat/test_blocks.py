"""The structure of articles: offsets that always hold, marks that never get in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.blocks import BlockKind, headings_at, parse_blocks
from kb.sentences import split_block

PIECES = st.sampled_from(
    [
        "# Title 😀\n", "## Part #\n", "Setext\n---\n", "A sentence. Another one! ", "Dr. Smith? ",
        "- item one. More\n", "  - nested\n", "1. first\n", "* [x] done\n", "> quoted\n> on\n",
        "| A | B |\n|---|---|\n| 1 | 2 |\n| \\| | 😀 |\n", "```py\ncode # no heading\n```\n",
        "~~~\nunclosed\n", "    indented\n", "<b>html</b>\n", "[ref]: /x\n", "**bold** _em_ `c`\n",
        "\n\n", "\r", "\x00", "\u2028", "\x85", "zero\u200bwidth ", "日本語。文です。", "\t",
    ]
)  # fmt: skip
BODIES = st.lists(PIECES | st.text(max_size=20), max_size=25).map("".join)

ARTICLE = """# Guide

Intro. Second sentence.

## Refunds

- Within **5** days. Really.
- continued
  here

1. Open the page
   - nested

> Quoted words.

| Method | Days |
| --- | --- |
| Card | 5 |

```sh
# not a heading
```

Setext part
-----------
Last."""


def kinds_and_texts(body: str) -> list[tuple[str, str]]:
    return [(block.kind.value, body[block.start : block.end]) for block in parse_blocks(body)]


def test_blocks_of_an_article() -> None:
    assert kinds_and_texts(ARTICLE) == [
        ("heading", "Guide"),
        ("text", "Intro. Second sentence."),
        ("heading", "Refunds"),
        ("item", "Within **5** days. Really."),
        ("item", "continued\n  here"),
        ("item", "Open the page"),
        ("item", "nested"),
        ("text", "Quoted words."),
        ("row", "| Method | Days |"),
        ("row", "| Card | 5 |"),
        ("code", "```sh\n# not a heading\n```"),
        ("heading", "Setext part"),
        ("text", "Last."),
    ]


def test_headings_are_a_path() -> None:
    blocks = parse_blocks(ARTICLE)
    assert headings_at(blocks, ARTICLE.index("Card")) == ("Guide", "Refunds")
    assert headings_at(blocks, ARTICLE.index("Last.")) == ("Guide", "Setext part")
    assert headings_at(blocks, 0) == ()


def test_rows_know_their_header_and_lists_stay_apart() -> None:
    blocks = parse_blocks(ARTICLE)
    card = next(block for block in blocks if "Card" in ARTICLE[block.start : block.end])
    assert card.header
    assert ARTICLE[slice(*card.header)] == "| Method | Days |"
    groups = [block.group for block in blocks if block.kind == BlockKind.ITEM]
    assert groups[0] == groups[1] != groups[2] == groups[3]


@pytest.mark.parametrize("body", ["", "   ", "\n\n"])
def test_nothing_has_no_blocks(body: str) -> None:
    assert parse_blocks(body) == ()


@given(BODIES)
def test_offsets_hold_for_any_text(body: str) -> None:
    reached = 0
    for block in parse_blocks(body):
        assert 0 <= block.start < block.end <= len(body)
        assert block.start >= reached or block.kind == BlockKind.ROW
        reached = max(reached, block.start)
        text = body[block.start : block.end]
        assert text == text.strip() or block.kind == BlockKind.CODE


@given(BODIES, st.sampled_from(["en", "de", "ja", "und", "xx"]))
def test_sentences_lie_in_order_inside_their_block(body: str, language: str) -> None:
    for block in parse_blocks(body):
        reached = block.start
        places = split_block(body, block, language)
        for start, end in places:
            assert reached <= start < end <= block.end
            assert body[start:end].strip() == body[start:end] or block.kind == BlockKind.CODE
            reached = end
        if block.kind not in {BlockKind.TEXT, BlockKind.ITEM}:
            assert places == [(block.start, block.end)]


def test_sentences_are_not_cut_in_wide_characters() -> None:
    body = "Hello 😀 world. This is Dr. Smith 😀😀. Next one?"
    [block] = parse_blocks(body)
    texts = [body[start:end] for start, end in split_block(body, block, "en")]
    assert texts == ["Hello 😀 world.", "This is Dr. Smith 😀😀.", "Next one?"]
