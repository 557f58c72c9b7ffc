"""Passages: exact tiling of any text, cut where the text itself is cut."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from embeddings.encoders.passages import cut_passages

WORD = re.compile(r"\S+")


def words(body: str) -> list[int]:
    """Where each word begins: a tokenizer that anybody can check."""
    return [match.start() for match in WORD.finditer(body)]


def cut(body: str, *, size: int, language: str = "en") -> list[str]:
    """The passages' texts."""
    ranges = cut_passages(body, language=language, starts=words(body), size=size)
    return [body[start:end] for start, end in ranges]


ANY_TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("# \n.!?-*|>`1.e\u0301\u05e9\u200d😀👩‍👧日本。\r\t"),
    ),
    max_size=300,
)


@given(ANY_TEXT, st.integers(1, 12), st.sampled_from(["en", "de", "ja", "zh", "ar", "und"]))
@example("", 3, "en")
@example("\n\n# \n\n", 1, "en")
@example("e\u0301 " * 9 + "👩‍👧‍👦" * 5, 2, "en")
@example("שלום עולם. مرحبا بالعالم. " * 5, 3, "ar")
def test_passages_tile_any_text_within_the_size(body: str, size: int, language: str) -> None:
    ranges = cut_passages(body, language=language, starts=words(body), size=size)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(body)
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    counts = [sum(start <= at < end for at in words(body)) for start, end in ranges]
    assert max(counts) <= size
    assert len(ranges) == 1 or min(counts) > 0


def test_a_heading_begins_a_passage() -> None:
    first = "Pay by card. " * 4
    passages = cut(f"{first}\n\n## Refunds\n\nThey take five days.", size=40)
    assert passages == [f"{first}\n\n", "## Refunds\n\nThey take five days."]


def test_a_crumb_before_a_heading_stays_with_what_follows() -> None:
    assert len(cut("# Money\n\n## Refunds\n\nThey take five days to arrive.", size=40)) == 1


def test_a_full_passage_ends_at_a_paragraph() -> None:
    one, two = "One two three four five six. " * 2, "Seven eight nine. Ten eleven twelve. " * 2
    assert cut(f"{one}\n\n{two}", size=18) == [f"{one}\n\n", two]


def test_else_at_a_sentence() -> None:
    passages = cut("Alpha beta gamma. Delta epsilon zeta. Eta theta iota. Kappa mu nu.", size=7)
    assert passages == ["Alpha beta gamma. Delta epsilon zeta. ", "Eta theta iota. Kappa mu nu."]


def test_sentences_are_those_of_the_language() -> None:
    """A German ordinal ends no sentence, an English full stop does."""
    text = "Wir feiern am 3. Oktober mit allen. Danach ist Ruhe im Haus."
    assert cut(text, size=7, language="de")[0] == "Wir feiern am 3. Oktober mit allen. "


def test_a_sentence_over_the_size_is_cut_between_words() -> None:
    passages = cut("word " * 50, size=20)
    assert [len(words(passage)) for passage in passages] == [20, 20, 10]
