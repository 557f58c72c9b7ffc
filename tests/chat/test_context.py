"""Context: windows of text that is not embedded, budgets that hold, spans in order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.retrieval.context import build_context
from chat.retrieval.fusion import FusedArticle, PassageMatch
from chat.retrieval.results import ArticleMatch, ContextSpan
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.sources import Source
from chat.retrieval.windows import WINDOW_CHARACTERS, cut_windows, first_part
from embeddings.encoders.hash import HashEncoder
from tests.chat.test_blocks import BODIES

ENCODER = HashEncoder()
WORDS = " ".join(f"word{number}" for number in range(1000))
OTHERS = " ".join(f"other{number}" for number in range(1000))


def match(start: int, end: int, score: float) -> PassageMatch:
    return PassageMatch(start=start, end=end, similarity=score, words=0.0, score=score)


def article(number: int, body: str, *matches: PassageMatch) -> ArticleMatch:
    source = Source(
        article_id=number,
        revision_id=number * 10,
        external_id=None,
        source="",
        title=f"Article {number}",
        language="en",
        audience="public",
        body=body,
    )
    fused = FusedArticle(
        article_id=number, revision_id=number * 10, score=1.0, legs={}, passages=matches
    )
    return ArticleMatch(source=source, fused=fused)


def build(articles: list[ArticleMatch], **settings: int) -> list[ContextSpan]:
    return build_context(
        articles,
        {each.source.article_id: each.fused.passages for each in articles},
        encoder=ENCODER,
        settings=PipelineSettings(**settings),  # type: ignore[arg-type]
    )


def tokens(spans: list[ContextSpan]) -> int:
    return sum(ENCODER.count_tokens([span.text for span in spans]))


def test_short_articles_come_whole_and_in_order() -> None:
    spans = build([article(1, "One two."), article(2, "Three.")])
    assert [(span.source.article_id, span.text) for span in spans] == [
        (1, "One two."),
        (2, "Three."),
    ]
    assert all("whole" in span.why for span in spans)


def test_best_passages_of_a_long_article_in_text_order() -> None:
    places = [match(5000, 5400, 0.9), match(100, 500, 0.8), match(3000, 3400, 0.1)]
    spans = build([article(1, WORDS, *places)], context_tokens=130, context_articles=1)
    assert [span.score for span in spans] == [0.8, 0.9]
    assert spans[0].start <= 100
    assert spans[0].end >= 500
    assert "meaning 0.80" in spans[0].why


def test_overlapping_passages_are_one_span() -> None:
    places = [match(1100, 1500, 0.9), match(1450, 1800, 0.8)]
    [span] = build([article(1, WORDS, *places)], context_tokens=150, context_articles=1)
    assert (span.start, span.end) == (1100, 1800)
    assert [each.score for each in span.matches] == [0.9, 0.8]


def test_a_line_that_ends_near_is_completed() -> None:
    body = f"{WORDS}\nA short line of some words.\n{WORDS}"
    inside = body.index("short line")
    spans = build(
        [article(1, body, match(inside, inside + 5, 0.9))], context_tokens=60, context_articles=1
    )
    assert [span.text for span in spans] == ["A short line of some words."]


def test_passage_over_the_budget_gives_its_beginning() -> None:
    [span] = build([article(1, WORDS, match(0, len(WORDS), 0.9))], context_tokens=50)
    assert span.text == " ".join(WORDS.split()[: span.tokens])
    assert 0 < span.tokens <= 50


def test_the_beginning_that_is_given_is_that_of_the_passage() -> None:
    before = " ".join(f"before{number}" for number in range(20))
    body = f"{before} {WORDS}"
    place = len(before) + 1
    [span] = build([article(1, body, match(place, len(body), 0.9))], context_tokens=50)
    assert span.start == place
    assert span.matches


def test_passages_of_all_articles_compete_for_the_budget() -> None:
    first = [match(0, 400, 0.9), match(1000, 1400, 0.3), match(2000, 2400, 0.2)]
    second = [match(400, 800, 0.8), match(3000, 3400, 0.7)]
    spans = build(
        [article(1, WORDS, *first), article(2, OTHERS, *second)],
        context_tokens=165,
        context_articles=2,
    )
    taken = [(span.source.article_id, span.score) for span in spans]
    assert taken == [(1, 0.9), (2, 0.8), (2, 0.7)]


def test_a_neighbour_of_the_best_comes_before_a_lone_passage_as_good() -> None:
    places = [match(2000, 2400, 0.9), match(5000, 5400, 0.52), match(2400, 2800, 0.5)]
    [span] = build([article(1, WORDS, *places)], context_tokens=110, context_articles=1)
    assert (span.start, span.end) == (2000, 2800)


def test_a_short_article_is_whole_with_its_first_passage() -> None:
    short = "An answer stands here. " * 10
    long = [match(start, start + 390, 0.5) for start in range(0, 4000, 400)]
    spans = build(
        [article(1, WORDS, *long), article(2, short, match(0, 23, 0.9))],
        context_tokens=200,
        context_articles=2,
    )
    assert spans[-1].text == short
    assert "whole" in spans[-1].why
    assert tokens(spans[:-1]) > 0


def test_what_a_reranker_gave_counts_for_each_passage() -> None:
    first, second = (
        article(number, body, *(match(start, start + 400, score) for start in (2000, 2500, 3000)))
        for number, body, score in ((1, WORDS, 0.6), (2, OTHERS, 0.5))
    )
    preferred = replace(second, fused=replace(second.fused, rerank=0.9))
    [span] = build(
        [preferred, replace(first, fused=replace(first.fused, rerank=0.1))],
        context_tokens=60,
        context_articles=2,
    )
    assert span.source.article_id == 2


def by_words(start: int, words: float) -> PassageMatch:
    return PassageMatch(start=start, end=start + 400, similarity=None, words=words, score=words)


def test_an_article_that_is_not_embedded_competes_with_its_own_score() -> None:
    fresh = article(2, OTHERS, by_words(2500, 0.4), by_words(2000, 0.0))
    [span] = build(
        [
            replace(fresh, fused=replace(fresh.fused, score=1.4)),
            article(1, WORDS, match(2000, 2400, 1.2)),
        ],
        context_tokens=60,
        context_articles=2,
    )
    assert (span.source.article_id, span.score) == (2, 0.4)


def test_of_an_article_that_is_not_embedded_windows_without_the_words_are_left_out() -> None:
    windows = [by_words(2500, 0.4), *(by_words(start, 0.0) for start in (500, 1500, 4000))]
    [span] = build([article(1, WORDS, *windows)], context_tokens=500, context_articles=1)
    assert (span.start, span.end) == (2500, 2900)


def test_paragraphs_beside_each_other_are_one_span() -> None:
    body = "\n\n".join(WORDS[start : start + 400] for start in range(0, 4000, 400))
    places = [match(at, at + 400, score) for at, score in ((0, 0.9), (402, 0.8), (2010, 0.7))]
    spans = build([article(1, body, *places)], context_tokens=180, context_articles=1)
    assert [(span.start, span.end) for span in spans] == [(0, 802), (2010, 2410)]


def test_a_short_article_that_says_a_passage_again_gives_only_its_rest() -> None:
    said = "A refund by card takes five working days, by transfer one more."
    own = "Whoever paid by voucher gets another voucher."
    body = f"{said}\n\n{own}"
    places = [match(0, len(said), 0.8), match(body.index(own), len(body), 0.7)]
    spans = build(
        [article(1, said, match(0, len(said), 0.9)), article(2, body, *places)],
        context_tokens=300,
        context_articles=2,
    )
    assert [span.text for span in spans] == [said, own]
    assert [place.article_id for place in spans[0].also] == [2]


def test_a_passage_that_ends_with_its_line_takes_nothing_of_the_next() -> None:
    body = f"{WORDS}\nA line.\n## The next heading\n{WORDS}"
    start = body.index("A line.")
    [span] = build(
        [article(1, body, match(start, start + len("A line.\n"), 0.9))],
        context_tokens=60,
        context_articles=1,
    )
    assert span.text.strip() == "A line."


@given(
    st.lists(st.tuples(st.integers(0, 7000), st.integers(1, 900), st.floats(0, 1)), max_size=12),
    st.integers(50, 900),
    st.integers(1, 3),
)
def test_budget_holds_and_spans_never_overlap(
    places: list[tuple[int, int, float]], budget: int, articles: int
) -> None:
    matches = [
        match(start, min(start + length, len(WORDS)), score)
        for start, length, score in places
        if start < len(WORDS)
    ]
    matches.sort(key=lambda each: -each.score)
    spans = build(
        [article(number, WORDS, *matches) for number in range(1, articles + 1)],
        context_tokens=budget,
    )
    assert all(span.tokens == tokens([span]) for span in spans)
    assert all(0 <= span.start < span.end <= len(WORDS) for span in spans)
    assert tokens(spans) <= budget
    for before, after in pairwise(spans):
        if before.source == after.source:
            assert before.end < after.start


@given(BODIES)
def test_windows_hold_every_block_once(body: str) -> None:
    windows = cut_windows(body)
    assert windows
    reached = 0
    for start, end in windows:
        assert 0 <= start <= end <= len(body)
        assert start >= reached or start == 0
        reached = start


def test_windows_are_of_neighbouring_paragraphs() -> None:
    body = "\n\n".join(f"Paragraph {number}. " + "Some more words. " * 10 for number in range(20))
    windows = cut_windows(body)
    assert all(end - start <= WINDOW_CHARACTERS for start, end in windows)
    assert len(windows) < 10
    assert sum(body[start:end].count("Paragraph") for start, end in windows) == 20


@pytest.mark.parametrize(
    ("allowance", "words"), [(0, 0), (1, 1), (7, 7), (1000, 1000), (5000, 1000)]
)
def test_first_part_is_whole_words_that_fit(allowance: int, words: int) -> None:
    part = first_part(WORDS, (0, len(WORDS)), encoder=ENCODER, allowance=allowance)
    text = "".join(WORDS[start:end] for start, end in part)
    assert text.split() == WORDS.split()[:words]


def test_the_same_words_are_given_once_and_name_their_other_places() -> None:
    text = "A refund by card takes five working days, by transfer one more."
    copy = "**A refund** by card takes FIVE working days;\nby transfer one more."
    [span] = build(
        [article(1, f"{text} We like to help."), article(2, copy), article(3, copy)],
        context_tokens=300,
        context_articles=3,
    )
    assert span.source.article_id == 1
    assert [(place.article_id, place.start, place.end) for place in span.also] == [
        (2, 0, len(copy)),
        (3, 0, len(copy)),
    ]


@pytest.mark.parametrize(
    "other",
    [
        "A refund by card takes nine working days, by transfer one more.",
        "A refund by card takes not five working days, by transfer one more.",
        "By transfer a refund takes one more working day than five, by card.",
    ],
)
def test_texts_that_differ_in_a_word_are_both_given(other: str) -> None:
    text = "A refund by card takes five working days, by transfer one more."
    for pair in ((text, other), (other, text)):
        spans = build(
            [article(number, each) for number, each in enumerate(pair, start=1)],
            context_tokens=300,
            context_articles=2,
        )
        assert [span.text for span in spans] == list(pair)


def test_what_is_folded_leaves_its_room_to_the_next() -> None:
    text = " ".join(f"word{number}" for number in range(90))
    last = " ".join(f"other{number}" for number in range(100))
    spans = build(
        [article(1, text), article(2, text), article(3, last)],
        context_tokens=220,
        context_articles=3,
    )
    assert [span.source.article_id for span in spans] == [1, 3]
    assert tokens(spans) == 190


@given(st.integers(50, 900), st.integers(1, 400))
def test_an_index_that_counted_wrongly_breaks_no_budget(budget: int, counted: int) -> None:
    long = [match(start, start + 300, 0.5) for start in range(0, 6000, 300)]
    estimated = article(1, WORDS, *long)
    wrong = replace(estimated, source=replace(estimated.source, tokens=budget + counted))
    spans = build([wrong, article(2, OTHERS, *long)], context_tokens=budget)
    assert 0 < tokens(spans) <= budget
