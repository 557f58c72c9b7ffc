"""Asking labelled questions: measures as TREC has them, spans, answers, groups, hiding."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from chat.answering.extractive import ExtractiveGenerator
from chat.evaluation.hiding import half_of, hide_half, unpublished
from chat.evaluation.metrics import MEASURES, measure_question
from chat.evaluation.questions import AskedQuestion, Place
from chat.evaluation.report import ordered_groups, report_of
from chat.evaluation.run import Asker, ask, evaluate, leg_rankings
from chat.evaluation.shelves import length_of, shelves_of
from chat.models import QuestionOutcome, Trace
from chat.retrieval.pipeline import retrieve
from chat.retrieval.settings import PipelineSettings
from embeddings.models import IndexEntry
from kb.models import Article, Collection, Workspace
from tests.chat.conftest import Publish
from tests.factories import live

pytestmark = pytest.mark.django_db

ANSWER = "A refund takes five days."


@pytest.fixture
def refunds(publish: Publish) -> Article:
    return publish(title="Refunds", body=f"Money matters.\n\n{ANSWER}", external_id="refunds")


@pytest.fixture
def hours(publish: Publish) -> Article:
    return publish(title="Opening hours", body="Wir öffnen um neun.", language="de")


def asker(workspace: Workspace, *, answers: bool = False, abstain_below: float = 0.0) -> Asker:
    return Asker(
        workspace=workspace,
        version=live(workspace),
        settings=PipelineSettings(abstain_below=abstain_below, articles=1),
        generator=ExtractiveGenerator() if answers else None,
    )


def place(article: Article, words: str = "") -> Place:
    assert article.published_revision
    start = article.published_revision.body.index(words)
    ranged = (start, start + len(words)) if words else (None, None)
    return Place(article=article.pk, start=ranged[0], end=ranged[1])


def question(
    *places: Place, text: str = "how long does a refund take", **given: bool
) -> AskedQuestion:
    return AskedQuestion(key="q", text=text, places=places, **given)  # type: ignore[arg-type]


def asked(workspace: Workspace, each: AskedQuestion, **given: float) -> QuestionOutcome:
    return ask(each, asker(workspace, **given), shelves={})  # type: ignore[arg-type]


def test_measures_of_one_question() -> None:
    found = measure_question({"a": [7, 8, 7], "b": [9, 8], "c": []}, {8: 1, -1: 2})
    assert list(found) == ["a", "b", "c"]
    assert set(found["a"]) == set(MEASURES)
    assert (found["a"]["recall@1"], found["a"]["recall@3"], found["a"]["hit@1"]) == (0, 0.5, 0)
    assert found["a"]["mrr@10"] == 0.5
    assert 0 < found["a"]["ndcg@10"] < 0.5  # the better article is not there to be found
    assert set(found["c"].values()) == {0.0}


def test_every_leg_and_the_fusion_are_ranked(
    workspace: Workspace, refunds: Article, hours: Article
) -> None:
    outcome = asked(workspace, question(place(refunds)))
    assert set(outcome.measures) >= {"fused", "passage", "article", "article_words"}
    assert outcome.ranking[0] == refunds.pk
    assert set(outcome.ranking) == {refunds.pk, hours.pk}  # ten deep whatever the profile shows
    assert (outcome.rank, outcome.measures["fused"]["ndcg@10"]) == (1, 1.0)
    assert outcome.latency_ms > 0
    assert not Trace.objects.exists()
    legs = leg_rankings(retrieve("refund", workspace=workspace))
    assert legs["article_words"] == [refunds.pk]


def test_the_labelled_passage_must_be_inside_the_context(
    workspace: Workspace, refunds: Article, hours: Article
) -> None:
    assert asked(workspace, question(place(refunds))).span_found is None
    assert asked(workspace, question(place(refunds, ANSWER))).span_found is True
    gone = Place(article=refunds.pk, start=20, end=9_000)
    assert asked(workspace, question(gone)).span_found is False
    assert asked(workspace, question(gone, place(hours, "neun"))).span_found is True


def test_an_answer_is_right_when_a_citation_lies_on_the_label(
    workspace: Workspace, refunds: Article, hours: Article
) -> None:
    right = asked(workspace, question(place(refunds, ANSWER)), answers=True)
    assert (right.right, right.answered) == (True, True)
    assert right.confidence is not None
    assert right.evidence
    wrong = asked(workspace, question(place(hours)), answers=True)
    assert (wrong.right, wrong.answerable) == (False, True)
    nowhere = asked(workspace, question(), answers=True)
    assert (nowhere.right, nowhere.answerable, nowhere.measures) == (False, False, {})
    declined = asked(workspace, question(place(refunds)), answers=True, abstain_below=1.0)
    assert (declined.right, declined.answered) == (True, False)


def test_what_cannot_be_asked_has_found_nothing(
    workspace: Workspace, refunds: Article, settings: Settings
) -> None:
    settings.CHAT_MAX_QUESTION_CHARACTERS = 10
    outcome = asked(workspace, question(place(refunds, ANSWER)), answers=True)
    assert set(outcome.measures) >= {"fused", "passage", "article", "article_words"}
    assert {value for found in outcome.measures.values() for value in found.values()} == {0.0}
    assert (outcome.rank, outcome.span_found, outcome.answered) == (None, False, False)
    assert (outcome.right, outcome.confidence) == (None, None)
    assert asked(workspace, question(place(refunds), text="refund")).rank == 1
    assert asked(workspace, question(), answers=True).measures == {}


def test_without_anything_to_quote_there_is_no_answer(workspace: Workspace) -> None:
    outcome = asked(workspace, question(), answers=True)
    assert (outcome.right, outcome.answered) == (None, False)


def test_hidden_articles_are_out_of_that_question_only(
    workspace: Workspace, refunds: Article, hours: Article
) -> None:
    hidden = asked(workspace, question(place(refunds), hidden=True), answers=True)
    assert hidden.ranking == [hours.pk]
    assert (hidden.answerable, hidden.hidden, hidden.right) == (False, True, False)
    assert hidden.measures == {}
    assert asked(workspace, question(place(refunds))).ranking[0] == refunds.pk
    refunds.refresh_from_db()
    assert refunds.state == "published"
    with pytest.raises(ZeroDivisionError), unpublished([refunds.pk]):
        _ = 1 / 0
    assert Article.objects.published().count() == 2


def test_the_same_half_is_hidden_each_time() -> None:
    some = Place(article=1)
    questions = [AskedQuestion(key=f"q{n}", text="x", places=(some,)) for n in range(200)]
    hidden = [each.key for each in hide_half(questions) if each.hidden]
    assert 70 < len(hidden) < 130
    assert hidden == [each.key for each in hide_half(questions[::-1]) if each.hidden][::-1]
    assert hidden != [each.key for each in questions if half_of(each.key, seed="fit")]
    [unanswerable] = hide_half([AskedQuestion(key=hidden[0], text="x")])
    assert not unanswerable.hidden


def test_figures_by_language_collection_and_length(
    workspace: Workspace, refunds: Article, hours: Article
) -> None:
    shelf = Collection.objects.create(workspace=workspace, name="Money", slug="money")
    Article.objects.filter(pk=refunds.pk).update(collection=shelf)
    IndexEntry.objects.filter(revision__article=hours).update(tokens=9_000)
    questions = [
        AskedQuestion(key="a", text="how long does a refund take", places=(place(refunds),)),
        AskedQuestion(key="b", text="wann öffnen", places=(place(hours),)),
        AskedQuestion(key="c", text="refund", places=(place(hours),), language="fr"),
        AskedQuestion(key="d", text="refund"),
    ]
    shelves = shelves_of({refunds.pk, hours.pk}, version=live(workspace))
    outcomes = list(evaluate(questions, asker(workspace), shelves=shelves))
    report = report_of(outcomes, threshold=0.0)
    assert report.queries == 3
    assert {name: each["questions"] for name, each in report.groups["language"].items()} == {
        "en": 1, "de": 1, "fr": 1,
    }  # fmt: skip
    assert report.groups["collection"]["Money"]["ndcg@10"] == 1.0
    assert report.groups["length"]["over 8,192"]["questions"] == 2
    assert set(report.groups["length"]["to 512"]["legs"]) == set(report.legs)
    order = [name for name, _ in ordered_groups("length", report.groups["length"])]
    assert order == ["to 512", "over 8,192"]
    assert report.measures["ndcg@10"] == pytest.approx(
        sum(each.measures["fused"]["ndcg@10"] for each in outcomes[:3]) / 3, abs=1e-4
    )
    assert 0 < report.latency["p50_ms"] <= report.latency["p95_ms"]
    assert report.abstention == {}


def test_lengths() -> None:
    assert [length_of(n) for n in (0, 512, 513, 2048, 8192, 8193)] == [
        "to 512", "to 512", "to 2,048", "to 2,048", "to 8,192", "over 8,192",
    ]  # fmt: skip
    assert length_of(None) == ""


def test_shelves_cost_two_queries(
    workspace: Workspace, publish: Publish, django_assert_num_queries: object
) -> None:
    articles = {publish().pk for _ in range(5)}
    version = live(workspace)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(shelves_of(articles, version=version)) == 5


def test_nothing_asked_gives_no_figures() -> None:
    report = report_of([], threshold=0.5)
    assert (report.queries, report.measures, report.latency) == (0, {}, {})
