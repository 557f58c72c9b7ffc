"""Fusion: sound for any number of articles, and every voice heard as much as it should be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.retrieval.candidates import Candidates, best_revisions
from chat.retrieval.fusion import FOREIGN, VOICES, FusedArticle, fuse
from chat.retrieval.legs import LegResults
from chat.retrieval.settings import PipelineSettings
from embeddings.scoring import ScoredPassage
from embeddings.search import ArticleHit, PassageHit
from embeddings.words import WordQuery
from kb.search import TextHit
from kb.terms import QuestionTerms

# Not the shipped ones, which may be fitted anew.
SETTINGS = PipelineSettings(
    passage_weight=1.0,
    passage_words_weight=1.0,
    article_weight=0.1,
    article_words_weight=0.1,
    title_weight=0.1,
    support_weight=0.2,
)
PLAIN = replace(SETTINGS, support_weight=0.0, title_weight=0.0)
ENGLISH = frozenset({"en"})


def passage(
    article: int,
    similarity: float,
    words: float | None = 0.0,
    *,
    revision: int = 0,
    at: int = 0,
    language: str = "en",
) -> ScoredPassage:
    return ScoredPassage(
        article_id=article,
        revision_id=revision or article * 10,
        language=language,
        ordinal=at,
        start=at,
        end=at + 10,
        similarity=similarity,
        words=words,
    )


def legs(
    passages: Mapping[int, float] | None = None,
    words: Mapping[int, float] | None = None,
    articles: Mapping[int, float] | None = None,
    texts: Mapping[int, float] | None = None,
) -> LegResults:
    """What each leg found, by article."""
    near, said = passages or {}, words or {}
    place = {"ordinal": 0, "start": 0, "end": 10}
    return LegResults(
        terms=QuestionTerms(documents=3, languages={}),
        words=WordQuery(weights={}, terms=()),
        passages=tuple(
            PassageHit(article_id=a, revision_id=a * 10, score=s, **place) for a, s in near.items()
        ),
        passage_words=tuple(
            PassageHit(article_id=a, revision_id=a * 10, score=s, **place) for a, s in said.items()
        ),
        articles=tuple(
            ArticleHit(article_id=a, revision_id=a * 10, score=s)
            for a, s in (articles or {}).items()
        ),
        texts=tuple(
            TextHit(article_id=a, revision_id=a * 10, score=s) for a, s in (texts or {}).items()
        ),
    )


def candidates(
    *passages: ScoredPassage,
    others: Iterable[int] = (),
    titles: Mapping[int, float] | None = None,
) -> Candidates:
    """These passages' articles, and `others` that have none; titles by article."""
    articles = {*(each.article_id for each in passages), *others}
    return Candidates(
        revisions={article: article * 10 for article in articles},
        passages=passages,
        titles={article * 10: share for article, share in (titles or {}).items()},
    )


def order(found: list[FusedArticle]) -> list[int]:
    return [each.article_id for each in found]


def test_nothing_found_is_nothing() -> None:
    assert fuse(legs(), Candidates(), SETTINGS) == []


def test_sum_of_one_article_is_plain() -> None:
    [only] = fuse(
        legs(articles={1: 0.6}, texts={1: 0.5}),
        candidates(passage(1, 0.5, 0.4), titles={1: 0.8}),
        SETTINGS,
    )
    assert tuple(only.legs) == VOICES
    assert only.legs == pytest.approx(
        {"passage": 0.5, "passage_words": 0.4, "article": 0.6, "article_words": 0.5, "title": 0.8}
    )
    assert only.score == pytest.approx(0.5 + 0.4 + 0.1 * 0.6 + 0.1 * 0.5 + 0.1 * 0.8)


def test_sum_of_an_article_does_not_depend_on_the_others() -> None:
    mine = passage(1, 0.5, 0.4)
    [alone] = fuse(legs(articles={1: 0.6}, texts={1: 0.5}), candidates(mine), SETTINGS)
    among = fuse(
        legs({2: 0.3}, {2: 0.1}, {1: 0.6, 2: 0.1}, {1: 0.5, 2: 0.2}),
        candidates(mine, passage(2, 0.3)),
        SETTINGS,
    )
    assert among[0] == alone


def test_meaning_and_words_must_meet_in_one_passage() -> None:
    apart = (passage(2, 0.6, 0.0), passage(2, 0.1, 0.6, at=50))
    found = fuse(legs(), candidates(passage(1, 0.5, 0.5), *apart), PLAIN)
    assert order(found) == [1, 2]
    assert [match.start for match in found[1].passages] == [50, 0]


def test_second_passage_supports_the_first() -> None:
    strong = (passage(2, 0.5, 0.4), passage(2, 0.5, 0.3, at=50))
    weak = (passage(1, 0.5, 0.4), passage(1, 0.1, 0.0, at=50))
    given = candidates(*weak, *strong)
    assert order(fuse(legs(), given, SETTINGS)) == [2, 1]
    assert order(fuse(legs(), given, replace(SETTINGS, support_weight=0.0))) == [1, 2]
    best = {each.article_id: each.score for each in fuse(legs(), given, SETTINGS)}
    assert best[2] == pytest.approx((0.9 + 0.2 * 0.8) / 1.2)


def test_only_passage_supports_itself() -> None:
    many = [passage(2, 0.5, 0.4, at=at) for at in range(0, 100, 10)]
    found = fuse(legs(), candidates(passage(1, 0.5, 0.4), *many), SETTINGS)
    assert found[0].score == pytest.approx(found[1].score) == pytest.approx(0.9)
    assert order(found) == [1, 2]


def test_title_decides_between_equals() -> None:
    given = candidates(passage(1, 0.5), passage(2, 0.5), titles={2: 0.4})
    assert order(fuse(legs(), given, SETTINGS)) == [2, 1]
    assert order(fuse(legs(), given, PLAIN)) == [1, 2]


def test_similarities_of_a_language_that_the_model_does_not_speak_count_little() -> None:
    noisy, sure = passage(1, 0.8, 0.1, language="zh"), passage(2, 0.5, 0.3, language="zh")
    given, found = candidates(noisy, sure), legs(articles={1: 0.8, 2: 0.5})
    assert order(fuse(found, given, SETTINGS)) == [1, 2]
    assert order(fuse(found, given, SETTINGS, spoken=ENGLISH)) == [2, 1]
    assert order(fuse(found, given, SETTINGS, spoken=frozenset({"en", "zh"}))) == [1, 2]
    [best, _] = fuse(found, given, SETTINGS, spoken=ENGLISH)
    assert best.score == pytest.approx(FOREIGN * 0.5 + 0.3 + 0.1 * FOREIGN * 0.5)
    assert best.legs["passage"] == 0.5  # as it is: only its say is small


def test_spoken_language_keeps_its_say_beside_another() -> None:
    given = candidates(passage(1, 0.5, 0.2), passage(2, 0.6, 0.2, language="zh"))
    assert order(fuse(legs(), given, SETTINGS, spoken=ENGLISH)) == [1, 2]


def test_article_that_is_not_embedded_stands_by_its_words() -> None:
    found = fuse(
        legs({1: 0.5, 2: 0.3}, articles={1: 0.5, 2: 0.3}, texts={3: 0.9, 2: 0.1}),
        candidates(passage(1, 0.5), passage(2, 0.3), others=[3]),
        SETTINGS,
    )
    assert order(found) == [3, 1, 2]
    assert found[0].passages == ()
    assert (found[0].legs["passage"], found[0].legs["article"]) == (None, None)
    # The worst similarities that were found, half the words in a passage's place, and its own.
    assert found[0].score == pytest.approx(0.3 + 0.5 * 0.9 + 0.1 * 0.3 + 0.1 * 0.9)


def test_passage_whose_words_are_not_stored_stands_by_those_of_its_article() -> None:
    counted, waiting = passage(1, 0.5, 0.4), passage(2, 0.5, None)
    found = fuse(legs(texts={1: 0.5, 2: 0.9}), candidates(counted, waiting), SETTINGS)
    assert order(found) == [2, 1]
    assert found[0].score == pytest.approx(0.5 + 0.5 * 0.9 + 0.1 * 0.9)
    assert found[0].legs["passage_words"] is None
    assert [match.words for match in found[0].passages] == [None]


def test_passage_without_a_word_of_the_question_gets_nothing_for_its_article() -> None:
    found = fuse(legs(texts={1: 0.9}), candidates(passage(1, 0.5, 0.0)), PLAIN)
    assert found[0].score == pytest.approx(0.5 + 0.1 * 0.9)


def test_article_that_is_not_embedded_and_says_little_comes_last() -> None:
    found = fuse(
        legs({1: 0.5, 2: 0.3}, texts={3: 0.1, 2: 0.1}),
        candidates(passage(1, 0.5), passage(2, 0.3, 0.1), others=[3]),
        SETTINGS,
    )
    assert order(found) == [1, 2, 3]


def test_passages_of_an_older_revision_are_left_out() -> None:
    old, new = passage(1, 0.9, 0.9, revision=9), passage(1, 0.2, 0.1, revision=10)
    [found] = fuse(legs(), candidates(old, new), SETTINGS)
    assert [match.similarity for match in found.passages] == [0.2]


def test_weights_switch_voices_off() -> None:
    settings = PipelineSettings(passage_weight=0, article_weight=0, article_words_weight=0)
    given = candidates(passage(1, 0.9, 0.1), passage(2, 0.1, 0.2))
    assert order(fuse(legs(), given, settings)) == [2, 1]


def test_ties_are_in_a_stable_order() -> None:
    given = candidates(passage(7, 0.5), passage(3, 0.5), passage(5, 0.5), passage(5, 0.5, at=20))
    found = fuse(legs(), given, SETTINGS)
    assert order(found) == [3, 5, 7]
    assert [match.start for match in found[1].passages] == [0, 20]


def test_candidates_are_the_best_of_the_sum() -> None:
    found = legs({1: 0.9, 2: 0.5, 3: 0.2}, {1: 0.1, 2: 0.9, 3: 0.1})
    settings = replace(SETTINGS, scored_articles=2)
    assert best_revisions(found, settings) == {2: 20, 1: 10}
    assert list(best_revisions(found, SETTINGS)) == [2, 1, 3]


def test_name_that_one_article_only_has_makes_it_a_candidate() -> None:
    found = legs({article: 1 - article / 100 for article in range(1, 30)}, {99: 0.4}, {}, {99: 0.4})
    assert 99 in best_revisions(found, replace(SETTINGS, scored_articles=5))


def test_worst_of_a_full_leg_is_no_better_than_what_it_left_out() -> None:
    settings = replace(SETTINGS, scored_articles=1, passage_candidates=2)
    assert best_revisions(legs({1: 0.5, 2: 0.4}, {3: 0.4, 4: 0.39}), settings) == {1: 10}


def test_newest_revision_of_an_article_is_the_candidate() -> None:
    found = legs({1: 0.5}, {1: 0.5})
    newer = replace(found, texts=(TextHit(article_id=1, revision_id=12, score=0.1),))
    assert best_revisions(newer, SETTINGS) == {1: 12}


scores = st.floats(-1, 1, allow_nan=False)
shares = st.floats(0, 1.5, allow_nan=False)
ids = st.integers(1, 6)


@given(
    st.lists(
        st.tuples(ids, scores, shares, st.integers(0, 500), st.sampled_from(["en", "de"])),
        max_size=20,
    ),
    st.dictionaries(ids, scores),
    st.dictionaries(ids, shares),
    st.dictionaries(ids, shares),
)
def test_any_finds_give_finite_sums_once_per_article(
    passages: list[tuple[int, float, float, int, str]],
    articles: dict[int, float],
    texts: dict[int, float],
    titles: dict[int, float],
) -> None:
    scored = [passage(a, s, w, at=at, language=lang) for a, s, w, at, lang in passages]
    given = candidates(*scored, others={*articles, *texts}, titles=titles)
    found = fuse(
        legs({each[0]: each[1] for each in passages}, {}, articles, texts),
        given,
        SETTINGS,
        spoken=ENGLISH,
    )
    assert sorted(order(found)) == sorted(given.revisions)
    assert all(math.isfinite(each.score) for each in found)
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
    assert sum(len(each.passages) for each in found) == len(passages)
