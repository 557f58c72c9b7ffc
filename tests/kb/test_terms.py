"""What a question's words weigh, and which articles they find: by language, within the scope."""

from __future__ import annotations

import math

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from kb.models import Article, Workspace
from kb.search import Filters, SearchScope, TextHit, search_text, title_coverage
from kb.services import unpublish_article
from kb.terms import QuestionTerms, WeightedText, average_sizes, question_terms
from kb.words import words_of
from tests.factories import make_article, make_workspace


def terms_of(
    workspace: Workspace, *texts: str | WeightedText, include_internal: bool = False
) -> QuestionTerms:
    asked = [each if isinstance(each, WeightedText) else WeightedText(text=each) for each in texts]
    return question_terms(asked, workspace_id=workspace.pk, include_internal=include_internal)


def find(
    workspace: Workspace, question: str, *, insider: bool = False, filters: Filters | None = None
) -> list[TextHit]:
    scope = SearchScope(
        workspace_id=workspace.pk, include_internal=insider, filters=filters or Filters()
    )
    return search_text(
        terms_of(workspace, question, include_internal=insider), scope=scope, limit=10
    )


def ids(hits: list[TextHit]) -> list[int]:
    return [hit.article_id for hit in hits]


def test_rare_words_weigh_more_and_stop_words_nothing(workspace: Workspace) -> None:
    for number in range(4):
        make_article(workspace, title=f"Number {number}", body="A refund takes days.")
    make_article(workspace, title="Other", body="The zeppelin flies.")
    terms = terms_of(workspace, "a refund for the zeppelin and unicorns")
    known = terms.languages["en"]
    assert terms.documents == 5
    assert known.frequencies == {"refund": 4, "zeppelin": 1, "unicorn": 0}
    assert known.weights["refund"] < known.weights["zeppelin"] < known.weights["unicorn"]
    assert sum(known.weights.values()) == pytest.approx(1)
    ratio = math.log(1 + 4.5 / 1.5) / math.log(1 + 1.5 / 4.5)
    assert known.weights["zeppelin"] / known.weights["refund"] == pytest.approx(ratio)


@pytest.mark.parametrize("question", ["the of and", "???", "' --", "🤷"])
def test_question_without_words_weighs_nothing_and_finds_nothing(
    workspace: Workspace, question: str
) -> None:
    make_article(workspace)
    assert terms_of(workspace, question).languages["en"].weights == {}
    assert find(workspace, question) == []


def test_empty_workspace_knows_no_language(workspace: Workspace) -> None:
    make_article(workspace, published=False)
    assert terms_of(workspace, "refund") == QuestionTerms(documents=0, languages={})
    assert average_sizes(workspace.pk) == {}


def test_phrase_weighs_the_mean_of_its_words(workspace: Workspace) -> None:
    make_article(workspace, body="A refund to your card.")
    make_article(workspace, body="A card.")
    known = terms_of(workspace, "refund to a card").languages["en"]
    [(phrase, weight)] = known.phrases.items()
    assert phrase == ("refund", "card")
    assert weight == pytest.approx(sum(known.weights.values()) / 2)


def test_each_language_of_the_workspace_stems_the_question(workspace: Workspace) -> None:
    make_article(workspace, title="Rechnung", body="Rechnungen und Karten.", language="de")
    make_article(workspace, title="Invoice", body="Invoices and cards.")
    terms = terms_of(workspace, "cards Karten")
    assert {language: set(each.weights) for language, each in terms.languages.items()} == {
        "en": {"card", "karten"},
        "de": {"card", "kart"},
    }
    assert terms.languages["de"].frequencies == {"card": 0, "kart": 1}


def test_words_of_others_and_of_internal_articles_do_not_show(workspace: Workspace) -> None:
    make_article(workspace, body="Plain.")
    make_article(workspace, body="A zeppelin.", audience="internal", language="de")
    make_article(make_workspace(), body="A zeppelin.", language="fr")
    public = terms_of(workspace, "zeppelin")
    assert public.documents == 1
    assert set(public.languages) == {"en"}
    assert public.languages["en"].frequencies == {"zeppelin": 0}
    insider = terms_of(workspace, "zeppelin", include_internal=True)
    assert insider.documents == 2
    assert insider.languages["de"].frequencies == {"zeppelin": 1}


def test_text_that_counts_less_gives_its_words_less(workspace: Workspace) -> None:
    make_article(workspace, body="A refund to the card.")
    before = WeightedText(text="the refund", weight=0.5)
    known = terms_of(workspace, "a card", before).languages["en"]
    assert known.weights == pytest.approx({"card": 2 / 3, "refund": 1 / 3})
    again = terms_of(workspace, "a card refund", before).languages["en"]
    assert again.weights == pytest.approx({"card": 1 / 2, "refund": 1 / 2})
    assert known.phrases == {}  # no phrase across two texts


def test_rarest_words_until_their_articles_are_too_many(workspace: Workspace) -> None:
    for number in range(6):
        make_article(workspace, body="common" + " fair" * (number < 3) + " rare" * (number < 1))
    terms = terms_of(workspace, "rare fair common unknown")
    assert terms.rarest(100) == {"en": ["rare", "fair", "common"]}
    assert terms.rarest(4) == {"en": ["rare", "fair"]}
    assert terms.rarest(0) == {"en": ["rare"]}
    assert terms_of(workspace, "common").rarest(2) == {"en": ["common"]}
    assert terms_of(workspace, "unknown").rarest(100) == {"en": []}


def test_word_that_most_articles_hold_is_compared_with_so_many_only(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        make_article(workspace, body="common" + " rare" * (number < 1))
    assert len(find(workspace, "common")) == 6
    monkeypatch.setattr("kb.search.MOST_COMPARED", 4)
    assert len(find(workspace, "common")) == 4
    assert len(find(workspace, "common rare")) == 1
    assert terms_of(workspace, "common unknown").bound(5) == 5
    for question in ("common", "unknown", "the"):
        assert terms_of(workspace, question).bound(6) is None
    assert terms_of(workspace, "common rare").bound(1) is None


def test_coverage_is_the_weight_of_words_found_anywhere(workspace: Workspace) -> None:
    make_article(workspace, body="A refund to the card.")
    make_article(workspace, body="Karten.", language="de")
    terms = terms_of(workspace, "refund card")

    def coverage(*texts: str, language: str = "en") -> float:
        return terms.coverage(words_of(texts, [language] * len(texts)))

    assert coverage() == coverage("nothing") == coverage("refund card", language="fr") == 0
    assert coverage("a refund") == pytest.approx(terms.languages["en"].weights["refund"])
    assert coverage("a refund", "two cards") == coverage("card refunds") == pytest.approx(1)


def test_average_size_counts_different_words(workspace: Workspace) -> None:
    make_article(workspace, title="Refund", body="A refund, a refund.")
    make_article(workspace, title="Card", body="Three blue words.")
    make_article(workspace, title="Karte", body="Karten.", language="de")
    assert average_sizes(workspace.pk) == {"en": 2.5, "de": 1.0}


def test_articles_are_ranked_by_bm25(workspace: Workspace) -> None:
    often = make_article(workspace, title="One", body="refund refund refund")
    once = make_article(workspace, title="Two", body="refund")
    long = make_article(workspace, title="Three", body="refund " + "alpha beta gamma delta eta")
    make_article(workspace, title="Four", body="card")
    hits = find(workspace, "refund")
    assert ids(hits) == [often.pk, once.pk, long.pk]
    assert all(0 < hit.score < 1 for hit in hits)


@pytest.mark.parametrize(
    ("body", "language", "question"),
    [
        ("退款将在五个工作日内到账。", "zh", "什么时候退款"),
        ("返金は五営業日以内に処理されます。", "ja", "返金はいつ"),
        ("환불은 5일 이내에 처리됩니다.", "ko", "환불"),
        ("คืนเงินภายในห้าวันทำการ", "und", "คืนเงิน"),
        ("Rechnungen werden monatlich verschickt.", "de", "wann kommt die Rechnung"),
        ("Rotate the API密钥 twice.", "en", "密钥"),
        ("Error E-4711: it's the user's C:\\temp", "en", "what is E-4711"),
    ],
)
def test_article_is_found_by_its_words_in_any_script(
    workspace: Workspace, body: str, language: str, question: str
) -> None:
    make_article(workspace, title="Other", body="Nothing of it.", language=language)
    article = make_article(workspace, title="X", body=body, language=language)
    assert ids(find(workspace, question)) == [article.pk]


def test_tenants_and_audiences_stay_apart(workspace: Workspace) -> None:
    make_article(make_workspace(), body="A refund.")
    internal = make_article(workspace, body="A refund.", audience="internal")
    make_article(workspace, body="Plain.")
    assert find(workspace, "refund") == []
    assert ids(find(workspace, "refund", insider=True)) == [internal.pk]
    # Terms that say more than the reader may know open nothing.
    scope = SearchScope(workspace_id=workspace.pk)
    insider = terms_of(workspace, "refund", include_internal=True)
    assert search_text(insider, scope=scope, limit=10) == []
    assert title_coverage(insider, [internal.published_revision_id or 0], scope=scope) == {}


def test_filters_narrow_and_change_no_weight(workspace: Workspace) -> None:
    make_article(workspace, body="A refund.")
    german = make_article(workspace, body="Ein refund.", language="de")
    everywhere = {hit.article_id: hit.score for hit in find(workspace, "refund")}
    [hit] = find(workspace, "refund", filters=Filters(languages=("de",)))
    assert (hit.article_id, hit.score) == (german.pk, everywhere[german.pk])


def test_what_is_unpublished_is_not_found(workspace: Workspace) -> None:
    article = make_article(workspace, body="A refund.")
    make_article(workspace, body="Plain.")
    terms = terms_of(workspace, "refund")
    unpublish_article(article)
    assert search_text(terms, scope=SearchScope(workspace_id=workspace.pk), limit=10) == []
    assert terms_of(workspace, "refund").languages["en"].frequencies == {"refund": 0}


def test_titles_are_weighed_in_their_language(workspace: Workspace) -> None:
    def revision(article: Article) -> int:
        return article.published_revision_id or 0

    english = make_article(workspace, title="Refunding cards", body="x")
    german = make_article(workspace, title="Karten", body="x", language="de")
    other = make_article(workspace, title="Hours", body="a refund card")
    foreign = make_article(make_workspace(), title="Refund", body="x")
    terms = terms_of(workspace, "refund card Karte")
    revisions = [revision(each) for each in (english, german, other, foreign)]
    found = title_coverage(terms, revisions, scope=SearchScope(workspace_id=workspace.pk))
    assert set(found) == {revision(english), revision(german)}
    weights = terms.languages["en"].weights
    assert found[revision(english)] == pytest.approx(weights["refund"] + weights["card"])


def test_one_query_each(
    workspace: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for language in ("en", "de", "fr"):
        make_article(workspace, body="A refund.", language=language)
    texts = ["refund", "card", "money"]
    scope = SearchScope(workspace_id=workspace.pk)
    with django_assert_num_queries(3):
        terms = terms_of(workspace, *texts)
        search_text(terms, scope=scope, limit=10)
        title_coverage(terms, [1, 2, 3], scope=scope)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.django_db
def test_any_text_may_ask(text: str) -> None:
    workspace = Workspace.objects.first() or make_workspace()
    if not workspace.articles.exists():
        make_article(workspace, title="It's", body='a\' \\ b:* & | ! ( ) <-> "c" 退款 %s {x}')
    hits = find(workspace, text)
    assert all(0 < hit.score <= 1.001 for hit in hits)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the connection is as good as before
