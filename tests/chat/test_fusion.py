"""Fusion: sound for any number of articles, and better than its parts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.retrieval.fusion import fuse
from chat.retrieval.legs import LegResults
from chat.retrieval.lexemes import QuestionTerms
from chat.retrieval.settings import PipelineSettings
from embeddings.search import ArticleHit, PassageHit
from kb.search import TextHit

SETTINGS = PipelineSettings()
TERMS = QuestionTerms(documents=3, weights={"en": {"refund": 1.0}})
NO_TERMS = QuestionTerms(documents=0, weights={})


def passage(article: int, score: float, *, revision: int = 0, start: int = 0) -> PassageHit:
    return PassageHit(
        article_id=article,
        revision_id=revision or article * 10,
        ordinal=start,
        start=start,
        end=start + 10,
        score=score,
    )


def near(article: int, score: float) -> ArticleHit:
    return ArticleHit(article_id=article, revision_id=article * 10, score=score)


def text(article: int, score: float) -> TextHit:
    return TextHit(article_id=article, revision_id=article * 10, score=score)


def legs(
    passages: tuple[tuple[PassageHit, float], ...] = (),
    articles: tuple[ArticleHit, ...] = (),
    texts: tuple[TextHit, ...] = (),
    terms: QuestionTerms = TERMS,
) -> LegResults:
    return LegResults(
        terms=terms,
        passages=tuple(hit for hit, _ in passages),
        passage_words=tuple(words for _, words in passages),
        articles=articles,
        texts=texts,
    )


def test_nothing_found_is_nothing() -> None:
    assert fuse(legs(), SETTINGS) == []
    assert fuse(legs(terms=NO_TERMS), SETTINGS) == []


def test_one_article_has_a_plain_score() -> None:
    [only] = fuse(legs(((passage(1, 0.5), 0.4),), (near(1, 0.6),), (text(1, 1.1),)), SETTINGS)
    assert only.legs == pytest.approx(
        {"passage": 0.5, "passage_words": 0.4, "article": 0.6, "article_words": 0.5}
    )
    assert only.score == pytest.approx(0.5 + 0.4 + 0.3 * 0.6 + 0.3 * 0.5)


def test_score_of_an_article_does_not_depend_on_the_others() -> None:
    alone = fuse(legs(((passage(1, 0.5), 0.4),), (near(1, 0.6),), (text(1, 1.1),)), SETTINGS)
    among = fuse(
        legs(
            ((passage(1, 0.5), 0.4), (passage(2, 0.3), 0.0)),
            (near(1, 0.6), near(2, 0.1)),
            (text(1, 1.1), text(2, 0.2)),
        ),
        SETTINGS,
    )
    assert among[0].score == alone[0].score


def test_meaning_and_words_must_meet_in_one_passage() -> None:
    both = (passage(1, 0.5), 0.5)
    apart = ((passage(2, 0.6), 0.0), (passage(2, 0.1, start=50), 0.6))
    assert [each.article_id for each in fuse(legs((both, *apart)), SETTINGS)] == [1, 2]


def test_article_found_by_words_alone_is_ranked_with_the_others() -> None:
    found = fuse(
        legs(
            ((passage(1, 0.3), 0.0), (passage(2, 0.1), 0.0)),
            (near(1, 0.3), near(2, 0.1)),
            (text(3, 2.2),),
        ),
        SETTINGS,
    )
    assert [each.article_id for each in found] == [3, 1, 2]
    assert found[0].passages == ()
    assert found[0].legs["passage"] is None


def test_passages_of_an_older_revision_are_left_out() -> None:
    found = fuse(
        legs(((passage(1, 0.9, revision=9), 0.9), (passage(1, 0.2, revision=10), 0.1))), SETTINGS
    )
    assert [each.revision_id for each in found] == [10]
    assert [match.similarity for match in found[0].passages] == [0.2]


def test_weights_switch_legs_off() -> None:
    settings = PipelineSettings(passage_weight=0, article_weight=0, article_words_weight=0)
    found = fuse(legs(((passage(1, 0.9), 0.1), (passage(2, 0.1), 0.2))), settings)
    assert [each.article_id for each in found] == [2, 1]


def test_ties_are_in_a_stable_order() -> None:
    found = fuse(legs(((passage(7, 0.5), 0.0), (passage(3, 0.5), 0.0))), SETTINGS)
    assert [each.article_id for each in found] == [3, 7]


scores = st.floats(-1, 1, allow_nan=False)
shares = st.floats(0, 1, allow_nan=False)
ids = st.integers(1, 6)


@given(
    st.lists(st.tuples(ids, scores, shares, st.integers(0, 500)), max_size=20),
    st.lists(st.tuples(ids, scores), max_size=6, unique_by=lambda pair: pair[0]),
    st.lists(st.tuples(ids, st.floats(0, 50)), max_size=6, unique_by=lambda pair: pair[0]),
    st.sampled_from([TERMS, NO_TERMS]),
)
def test_any_legs_give_finite_scores_once_per_article(
    passages: list[tuple[int, float, float, int]],
    articles: list[tuple[int, float]],
    texts: list[tuple[int, float]],
    terms: QuestionTerms,
) -> None:
    found = fuse(
        legs(
            tuple((passage(a, score, start=at), words) for a, score, words, at in passages),
            tuple(near(*each) for each in articles),
            tuple(text(*each) for each in texts),
            terms,
        ),
        SETTINGS,
    )
    assert sorted(each.article_id for each in found) == sorted(
        {each[0] for each in (*passages, *articles, *texts)}
    )
    assert all(math.isfinite(each.score) for each in found)
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
