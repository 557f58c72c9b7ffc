"""Text on its way in: cleaned at the edges, never inside, or refused with a reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from kb.content import FORBIDDEN, clean, content_hash
from kb.errors import InvalidInput, TooLarge

PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
EDGED = st.text("a \ufeff\u3000\u2028\n\x85", min_size=1)


def without_edges(text: str) -> str:
    return re.sub(r"\A[\s\ufeff]+|[\s\ufeff]+\Z", "", text)


@given(body=(PRINTABLE | EDGED).filter(lambda text: not FORBIDDEN.search(text)))
def test_body_is_kept_to_the_letter_but_for_its_edges(body: str) -> None:
    kept = without_edges(body)
    if kept:
        assert clean(title="t", body=f" \r\n{body}\r\n").body == kept
    else:
        with pytest.raises(InvalidInput, match="body is empty"):
            clean(title="t", body=body)


def test_title_of_nothing_but_a_mark_is_empty() -> None:
    assert clean(title=" \ufeff A\ufeffB ", body="b").title == "A\ufeffB"
    with pytest.raises(InvalidInput, match="title is empty"):
        clean(title=" \ufeff ", body="b")


def test_line_ends_become_newlines_and_titles_one_line() -> None:
    text = clean(title="  A\n title\t", body="one\r\ntwo\rthree")
    assert (text.title, text.body) == ("A title", "one\ntwo\nthree")


def test_cleaning_twice_changes_nothing() -> None:
    once = clean(title="A", body="x\r\n y ")
    assert clean(title=once.title, body=once.body) == once


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("title", "  ", "title is empty"),
        ("body", "\n\t ", "body is empty"),
        ("body", " \ufeff\n", "body is empty"),
        ("body", "a\x00b", r"not text .* at 1"),
        ("body", "a\ud800b", r"U\+D800"),
        ("title", "a\x1bb", r"U\+001B"),
        ("title", "x" * 301, "301 characters"),
        ("language", "xx", "no language"),
        ("audience", "everybody", "no audience"),
    ],
)
def test_what_is_not_acceptable_is_refused_with_its_field(
    field: str, value: str, message: str
) -> None:
    given = {"title": "t", "body": "b"} | {field: value}
    with pytest.raises(InvalidInput, match=message) as caught:
        clean(**given)
    assert caught.value.field == field


def test_size_counts_bytes(settings: Settings) -> None:
    settings.KB_MAX_ARTICLE_BYTES = 10
    assert clean(title="t", body="é" * 5).body == "ééééé"
    with pytest.raises(TooLarge, match="12 bytes; at most 10"):
        clean(title="t", body="é" * 6)


@given(st.tuples(PRINTABLE, PRINTABLE), st.tuples(PRINTABLE, PRINTABLE))
def test_hash_tells_texts_apart(one: tuple[str, str], other: tuple[str, str]) -> None:
    from kb.content import ArticleText

    hashes = {content_hash(ArticleText(title=title, body=body)) for title, body in (one, other)}
    assert len(hashes) == len({one, other})


def test_hash_knows_language_and_audience() -> None:
    texts = [
        clean(title="t", body="b"),
        clean(title="t", body="b", language="de"),
        clean(title="t", body="b", audience="internal"),
    ]
    assert len({content_hash(text) for text in texts}) == 3
