"""Words of the question: weighed within the scope, counted where they stand."""

from __future__ import annotations

import math

import pytest

from chat.retrieval.lexemes import (
    QuestionTerms,
    WordCounts,
    bm25,
    count_passage_words,
    count_words,
    coverage,
    question_terms,
)
from embeddings.search import PassageHit
from kb.models import Article, Workspace
from kb.search import SearchScope
from kb.services import unpublish_article
from tests.factories import make_article, make_workspace

TERMS = QuestionTerms(
    documents=10,
    weights={"en": {"refund": 2.0, "card": 1.0}, "de": {"refund": 2.0, "kart": 2.0}, "fr": {}},
)


def words(size: int = 10, language: str = "en", **counts: int) -> WordCounts:
    return WordCounts(language=language, size=size, counts=counts)


def scope_of(workspace: Workspace) -> SearchScope:
    return SearchScope(workspace_id=workspace.pk)


def hit(article: Article, start: int, end: int) -> PassageHit:
    assert article.published_revision_id
    return PassageHit(
        article_id=article.pk,
        revision_id=article.published_revision_id,
        ordinal=0,
        start=start,
        end=end,
        score=0.5,
    )


def test_rare_words_weigh_more_and_stop_words_nothing(workspace: Workspace) -> None:
    for number in range(4):
        make_article(workspace, title=f"Number {number}", body="A refund takes days.")
    make_article(workspace, title="Other", body="The zeppelin flies.")
    terms = question_terms("a refund for the zeppelin and unicorns", scope=scope_of(workspace))
    weights = terms.weights["en"]
    assert terms.documents == 5
    assert set(weights) == {"refund", "zeppelin", "unicorn"}
    assert weights["refund"] < weights["zeppelin"] < weights["unicorn"]
    assert weights["zeppelin"] == pytest.approx(math.log(1 + 4.5 / 1.5))


def test_each_language_of_the_workspace_stems_the_question(workspace: Workspace) -> None:
    make_article(workspace, title="Rechnung", body="Rechnungen und Karten.", language="de")
    make_article(workspace, title="Invoice", body="Invoices and cards.")
    terms = question_terms("cards Karten", scope=scope_of(workspace))
    assert set(terms.weights) == {"de", "en"}
    assert "card" in terms.weights["en"]
    assert "kart" in terms.weights["de"]


@pytest.mark.parametrize("question", ["the of and", "???", "' & | ! ( \\"])
def test_question_without_words_has_no_weights(workspace: Workspace, question: str) -> None:
    make_article(workspace, body="A refund takes days.")
    terms = question_terms(question, scope=scope_of(workspace))
    assert terms.weights == {"en": {}}
    assert terms.ceiling() > 0


def test_empty_workspace_has_no_terms(workspace: Workspace) -> None:
    make_article(workspace, published=False)
    terms = question_terms("refund", scope=scope_of(workspace))
    assert (terms.documents, terms.weights) == (0, {})
    assert bm25(words(), terms, average_size=0) == 0


def test_passages_are_counted_by_their_own_characters(workspace: Workspace) -> None:
    body = "😀 A refund, a refund. The card is empty."
    article = make_article(workspace, title="Money", body=body)
    terms = question_terms("refund card money", scope=scope_of(workspace))
    middle = body.index("The card")
    passages = [hit(article, 0, middle), hit(article, middle, len(body))]
    counts = count_passage_words(passages, terms, scope=scope_of(workspace))
    assert counts[0].counts == {"refund": 2, "money": 1}  # the title counts with each passage
    assert counts[1].counts == {"card": 1, "money": 1}


def test_passages_that_left_the_scope_are_missing(workspace: Workspace) -> None:
    stays = make_article(workspace, body="A refund.")
    goes = make_article(workspace, body="A refund.")
    internal = make_article(workspace, body="A refund.", audience="internal")
    foreign = make_article(make_workspace(), body="A refund.")
    terms = question_terms("refund", scope=scope_of(workspace))
    passages = [hit(article, 0, 9) for article in (goes, stays, internal, foreign)]
    unpublish_article(goes)
    assert set(count_passage_words(passages, terms, scope=scope_of(workspace))) == {1}
    assert count_passage_words([], terms, scope=scope_of(workspace)) == {}


def test_texts_are_counted_in_their_language(workspace: Workspace) -> None:
    make_article(workspace, title="Karte", body="Karten.", language="de")
    make_article(workspace, title="Card", body="Cards.")
    terms = question_terms("cards Karten", scope=scope_of(workspace))
    english, german, other = count_words(
        ["two cards", "zwei Karten", ""], ["en", "de", "und"], terms
    )
    assert english.counts == {"card": 1}
    assert german.counts == {"kart": 1}
    assert (other.size, other.counts) == (0, {})
    assert count_words([], [], terms) == []


def test_share_of_bm25_lies_between_nothing_and_all() -> None:
    assert bm25(words(), TERMS, average_size=10) == 0
    assert bm25(words(refund=1), TERMS, average_size=10) < bm25(
        words(refund=2), TERMS, average_size=10
    )
    assert bm25(words(card=1), TERMS, average_size=10) < bm25(
        words(refund=1), TERMS, average_size=10
    )
    assert bm25(words(size=50, refund=1), TERMS, average_size=10) < bm25(
        words(size=5, refund=1), TERMS, average_size=10
    )
    assert 0.9 < bm25(words(size=1, refund=10**6, card=10**6), TERMS, average_size=10) <= 1


def test_coverage_is_the_weight_of_words_found_anywhere() -> None:
    assert coverage([], TERMS) == 0
    assert coverage([words(refund=1)], TERMS) == pytest.approx(2 / 3)
    assert coverage([words(refund=1), words(card=3)], TERMS) == pytest.approx(1)
    assert coverage([words(language="de", kart=1), words(card=1)], TERMS) == pytest.approx(0.5)
    assert coverage([words(language="fr")], TERMS) == 0


def test_ceiling_without_a_language_is_that_of_the_question() -> None:
    assert TERMS.ceiling("de") == pytest.approx(8.8)
    assert TERMS.ceiling("en") == TERMS.ceiling() == pytest.approx(6.6)
    assert TERMS.ceiling("fr") > 0
