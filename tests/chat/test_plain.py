"""Markdown becomes readable text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.answering.plain import plain_row, plain_text


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("A **refund** takes _five_ `days`.", "A refund takes five days."),
        ("See [the guide](https://x.example/a_b) now.", "See the guide now."),
        ("![Logo](/x.png) Ours", "Logo Ours"),
        ("two\nlines  \nand three", "two lines and three"),
        ("quoted\n> on and\n> on", "quoted on and on"),
        ("first\n- second\n  - third", "first second third"),
        ("a <b>bold</b> word", "a bold word"),
        ("5 * 3 * 2 and snake_case_name", "5 * 3 * 2 and snake_case_name"),
        (r"not \*bold\*", "not *bold*"),
        ("&amp; &lt;tag&gt;", "& <tag>"),
        ("~~old~~ new", "old new"),
        ("```sh\nrm -rf x\n```", "rm -rf x"),
        ("```\n# kept as it is\n```", "# kept as it is"),
        ("", ""),
    ],
)
def test_marks_go_and_words_stay(markdown: str, plain: str) -> None:
    assert plain_text(markdown) == plain


@pytest.mark.parametrize(
    ("row", "header", "plain"),
    [
        ("| Card | 5 days |", "| Method | Time |", "Method: Card; Time: 5 days"),
        ("| **Card** | |", "| Method | Time |", "Method: Card"),
        ("| Card | 5 |", None, "Card; 5"),
        ("| Card | 5 | more |", "| Method |", "Method: Card; 5; more"),
        (r"| a \| b | c |", "| X | Y |", "X: a | b; Y: c"),
        ("Card | 5", "Method | Time", "Method: Card; Time: 5"),
    ],
)
def test_rows_are_told_with_their_header(row: str, header: str | None, plain: str) -> None:
    assert plain_row(row, header) == plain


@given(st.text(max_size=200))
def test_any_text_has_a_plain_form_on_one_line(text: str) -> None:
    assert plain_text(text) == " ".join(plain_text(text).split())
