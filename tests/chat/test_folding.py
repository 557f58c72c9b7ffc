"""Folding: the same words are one place, anything that differs is another."""

from __future__ import annotations

import json
from itertools import combinations

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from chat.retrieval.folding import Part, Said
from kb.blocks import parse_blocks

SAMPLE = settings.BASE_DIR / "kb" / "sample"
SENTENCES = st.lists(
    st.lists(st.sampled_from(["pay", "not", "5", "**refund**", "by", "card,"]), min_size=3).map(
        " ".join
    ),
    min_size=1,
    max_size=4,
).map(". ".join)


def twin(known: str, other: str) -> Part | None:
    said = Said([known, other])
    said.add(Part(rank=0, start=0, end=len(known)))
    return said.twin(Part(rank=1, start=0, end=len(other)))


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("A refund takes five days.", "a  REFUND takes\n**five** days"),
        ("See it. A refund takes five days. Good.", "- A refund takes five days"),
        ("Die Rückzahlung dauert fünf Tage.", "DIE RÜCKZAHLUNG dauert „fünf“ Tage!"),
        ("退款需要五个工作日。谢谢", "退款需要五个工作日"),
        ("返金には５日かかります。", "返金には５日かかります"),
        ("कृपया पाँच दिन रुकें।", "कृपया पाँच दिन रुकें।"),
        ("## How to pay\n\n- by card\n- by transfer", "How to pay: by card, by transfer"),
        ("| Plan | Fee |\n|---|---|\n| Pro | €5 |", "Plan, fee\n| --- | --- |\nPro (€5)"),
    ],
)
def test_the_same_words_are_found_whatever_their_looks(known: str, other: str) -> None:
    found = twin(known, other)
    assert found
    assert found.rank == 0
    again = twin(other, known[found.start : found.end])
    assert again
    assert (again.start, again.end) >= (0, len(other) - 3)


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("A refund takes 2 business days.", "A refund takes 3 business days."),
        ("You can pay by card here.", "You can not pay by card here."),
        ("You can’t pay by card here.", "You can pay by card here."),
        ("Pay $50 for the plan.", "Pay €50 for the plan."),
        ("Below 50 - 5 of them.", "Below 50 5 of them."),
        ("It costs more than 50 > 40.", "It costs more than 50 < 40."),
        ("It is written in C++ today.", "It is written in C today."),
        ("It is written in C# today.", "It is written in C today."),
        ("A share of .5 is kept.", "A share of 5 is kept."),
        ("A shelf of 6' is kept.", 'A shelf of 6" is kept.'),
        ("It must stay above –5 degrees.", "It must stay above 5 degrees."),
        ("Set !done on it first.", "Set done on it first."),
        ("二〇二五年の料金です。", "二二五年の料金です。"),
        ("हिंदी में लिखी किताब", "हिंदी में लिखा किताब"),
        ("one two three one two", "two three one two three"),
        ("It must stay above -5 degrees.", "It must stay above 5 degrees."),
        ("The fee for it is €5.", "The fee for it is $5."),
        ("You may keep 5% of it.", "You may keep 5 of it."),
        ("Use it for sums > 500 only.", "Use it for sums < 500 only."),
        ("Open it on your iPhone first.", "Open it on your iPad first."),
        ("退款需要五个工作日。", "退款需要六个工作日。"),
        ("この料金は返金できます。", "この料金は返金できません。"),
        ("लड़की को पाँच दिन", "लड़के को पाँच दिन"),
        ("two words", "two words"),
        ("", ""),
    ],
)
def test_any_other_word_number_or_sign_makes_another_text(known: str, other: str) -> None:
    assert twin(known, other) is None
    assert twin(other, known) is None


def test_the_rest_of_what_was_added_in_part_is_found_beside_it() -> None:
    text = " ".join(f"word{number}" for number in range(100))
    body, copy = f"Before it. {text} After it.", f"Something else. {text}"
    said = Said([body, copy])
    said.add(Part(rank=0, start=body.index("word30"), end=body.index("word99")))
    part = Part(rank=1, start=copy.index("word0"), end=len(copy))
    found = said.twin(part)
    assert found
    assert body[found.start : found.end] == text
    barely = Part(rank=1, start=copy.index("word0"), end=copy.index("word45"))
    assert said.twin(barely) is None


def test_a_place_is_not_its_own_twin_but_its_repetition_is() -> None:
    body = "A refund takes five days. Ask us. A refund takes five days."
    said = Said([body])
    first = Part(rank=0, start=0, end=body.index(" Ask"))
    second = Part(rank=0, start=body.rindex("A refund"), end=len(body))
    said.add(first)
    assert said.twin(first) is None
    assert said.twin(second) == first


@given(SENTENCES, SENTENCES)
def test_a_twin_says_the_same_words_in_the_same_order(known: str, other: str) -> None:
    found = twin(known, other)
    if found is None:
        assert len(other.split()) < 3 or plain(other) not in plain(known)
    else:
        assert plain(known[found.start : found.end]) == plain(other)


def plain(text: str) -> str:
    return f" {' '.join(word.strip('*.,') for word in text.split())} "


def test_no_two_paragraphs_of_the_sample_pairs_are_one() -> None:
    """Its near-duplicates are paraphrases, which tell different details, and its
    contradictions differ in a number: all of them stay."""
    pairs = json.loads((SAMPLE / "pairs.json").read_text())
    named = [*pairs["near_duplicates"], *(each["articles"] for each in pairs["contradictions"])]
    for one, other in (pair for names in named for pair in combinations(names, 2)):
        known, body = body_of(one), body_of(other)
        said = Said([known, body])
        said.add(Part(rank=0, start=0, end=len(known)))
        parts = [Part(rank=1, start=block.start, end=block.end) for block in parse_blocks(body)]
        long = [part for part in parts if part.end - part.start >= 80]
        assert long
        assert not [part for part in long if said.twin(part)]


def body_of(name: str) -> str:
    return (SAMPLE / "articles" / f"{name}.md").read_text().split("---\n", 2)[2].strip()
