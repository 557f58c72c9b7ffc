"""Curated answers: found by their questions, given at once, gone the moment they may not be."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from chat.answering.answer import AnsweredQuestion, answer_question, verified
from chat.answering.base import Answer, Reason
from chat.answering.curated_vectors import embed_curated_questions
from chat.answering.likeness import chance, likeness
from chat.models import CuratedAnswer, CuratedQuestion, CuratedVector, Trace
from chat.models.curated import question_key
from chat.retrieval.settings import PipelineSettings
from chat.services.curated import CuratedDraft, save_curated_answer
from embeddings.encoders.registry import forget_encoders, get_encoder
from embeddings.errors import FingerprintChanged
from kb.access import caller_for_system
from kb.models import Article, Collection, Workspace
from kb.search import Filters
from kb.services import archive_article, delete_article, unpublish_article
from tests.chat.conftest import Publish
from tests.conftest import HASH_ENCODERS
from tests.factories import add_revision, live, make_workspace

QUESTION = "How long does a refund take?"
TEXT = "A refund takes **five** days."
BODY = "# Refunds\n\nWe are glad to help. A refund to a card takes five days.\n\nCall us."


def curate(
    workspace: Workspace, *questions: str, embedded: bool = True, **given: Any
) -> CuratedAnswer:
    """An approved answer to `questions`, its vectors made unless told otherwise."""
    draft = CuratedDraft(
        **{"text": TEXT, "questions": questions or (QUESTION,), "language": "en", **given}
    )
    answer = save_curated_answer(caller_for_system(workspace), draft=draft)
    if embedded:
        embed_curated_questions(live(workspace))
    return answer


def ask(question: str, workspace: Workspace, **given: Any) -> AnsweredQuestion:
    return answer_question(question, workspace=workspace, **given)


def curated_id(question: str, workspace: Workspace, **given: Any) -> int | None:
    found = ask(question, workspace, **given).answer.curated
    return found.answer_id if found else None


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        "how long does a refund take",
        "  HOW long\ndoes a refund take?! ",
        "Ｈow long does a refund take？",
    ],
)
def test_equal_question_always_matches(workspace: Workspace, question: str) -> None:
    answer = curate(workspace, embedded=False)
    given = ask(question, workspace).answer
    assert given.curated
    assert (given.curated.answer_id, given.curated.exact) == (answer.pk, True)
    assert (given.text, given.confidence, given.generator) == (TEXT, 1.0, "curated")
    assert not given.abstained


def test_equal_question_matches_while_the_encoder_is_wrong(
    workspace: Workspace, settings: Settings
) -> None:
    answer = curate(workspace)
    forget_encoders()
    settings.ENCODERS = {**HASH_ENCODERS, "hash": HASH_ENCODERS["hash-wide"]}
    assert curated_id(QUESTION, workspace) == answer.pk
    with pytest.raises(FingerprintChanged):
        ask("something else", workspace)


def test_marks_alone_are_a_question_of_their_own() -> None:
    assert question_key("???") != question_key("!")
    assert question_key("Why?") == question_key("why")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How big are 10 m²?", "How big are 10 m2?"),
        ("Is a share of ½ enough?", "Is a share of 1/2 enough?"),
        (".5 of it?", "5 of it?"),
        ("What is step ②?", "What is step 2?"),
    ],
)
def test_signs_that_mean_something_make_another_question(one: str, other: str) -> None:
    assert question_key(one) != question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("¿Qué  tal?", "qué tal"),
        ("Wie groß ist das", "WIE GROSS IST DAS…"),
        ("Ｗｈａｔ ｉｓ ５？", "what is 5"),
        ("ﾌﾟﾗﾝはどこ？", "プランはどこ"),
        ("qué tal", "qué tal"),
    ],
)
def test_looks_make_no_other_question(one: str, other: str) -> None:
    assert question_key(one) == question_key(other)


def test_keys_of_before_are_written_anew_by_the_migration(workspace: Workspace) -> None:
    texts = (".5 of it?", "5 of it?", "How big are 10 m²?", "¿Qué  tal?", "Ｗｈａｔ ｉｓ ５？")
    for number, text in enumerate(texts):
        [question] = curate(workspace, text, embedded=False).questions.all()
        question.key = f"old {number}"
        question.save()
    with connection.schema_editor() as editor:
        importlib.import_module("chat.migrations.0006_question_keys").write_keys(apps, editor)
    written = CuratedQuestion.objects.order_by("pk").values_list("key", "text")
    assert [key for key, _ in written] == [question_key(text) for _, text in written]


def test_alike_question_matches_above_the_threshold_and_says_by_which_wording(
    workspace: Workspace,
) -> None:
    answer = curate(workspace, QUESTION, "when is my money back on the card")
    near = PipelineSettings(curated_above=0.7)
    given = ask("when is my money back on my card", workspace, profile=near).answer
    assert given.curated
    assert given.curated.answer_id == answer.pk
    assert given.curated.question == "when is my money back on the card"
    assert 0.7 <= given.curated.similarity < 1
    assert given.confidence == given.curated.similarity
    strict = PipelineSettings(curated_above=0.99)
    assert curated_id("when is my money back on my card", workspace, profile=strict) is None


def test_question_of_something_else_goes_on_to_the_articles(
    workspace: Workspace, publish: Publish
) -> None:
    curate(workspace)
    publish(title="Hours", body="We open at nine.")
    answered = ask("when do you open", workspace, profile=PipelineSettings(abstain_below=0))
    assert answered.answer.curated is None
    assert answered.answer.citations
    assert answered.retrieval.hits


def test_answer_cites_the_sentence_of_its_source_that_says_it(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body=BODY, external_id="refunds")
    curate(workspace, sources=(article,))
    [citation] = ask(QUESTION, workspace).answer.citations
    assert citation.quote == "A refund to a card takes five days."
    assert citation.quote == BODY[citation.start : citation.end]
    assert (citation.external_id, citation.number) == ("refunds", 1)


@pytest.mark.parametrize("how", ["unpublished", "archived", "deleted"])
def test_answer_is_withdrawn_with_its_source(
    workspace: Workspace, publish: Publish, how: str
) -> None:
    stays, article = publish(title="Other", body="Other."), publish(title="Refunds", body=BODY)
    curate(workspace, sources=(stays, article))
    ways: dict[str, Callable[[], object]] = {
        "unpublished": lambda: unpublish_article(article),
        "archived": lambda: archive_article(article, reason="Old."),
        "deleted": lambda: delete_article(article),
    }
    ways[how]()
    assert curated_id(QUESTION, workspace) is None


def test_answer_stays_when_its_source_says_something_new(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body=BODY)
    answer = curate(workspace, sources=(article,))
    add_revision(article, body="All of it is new: five days.")
    assert curated_id(QUESTION, workspace) == answer.pk


def test_source_that_became_internal_takes_the_answer_from_the_public_only(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body=BODY)
    answer = curate(workspace, sources=(article,))
    add_revision(article, body=BODY, audience="internal")
    assert curated_id(QUESTION, workspace) is None
    assert curated_id(QUESTION, workspace, include_internal=True) == answer.pk


@pytest.mark.parametrize(
    "change",
    [{"enabled": False}, {"valid_until": timezone.now() - timedelta(seconds=1)}],
)
def test_disabled_and_expired_answers_are_out_of_the_next_answer(
    workspace: Workspace, change: dict[str, Any]
) -> None:
    answer = curate(workspace, valid_until=timezone.now() + timedelta(hours=1))
    assert curated_id(QUESTION, workspace) == answer.pk
    CuratedAnswer.objects.update(**change)
    assert curated_id(QUESTION, workspace) is None


def test_internal_answers_are_for_those_who_may_see_them(workspace: Workspace) -> None:
    answer = curate(workspace, audience="internal")
    assert curated_id(QUESTION, workspace) is None
    assert (
        curated_id(
            "how long may a refund take", workspace, profile=PipelineSettings(curated_above=0.5)
        )
        is None
    )
    assert curated_id(QUESTION, workspace, include_internal=True) == answer.pk


def test_other_workspaces_answers_do_not_exist(workspace: Workspace) -> None:
    curate(make_workspace())
    assert curated_id(QUESTION, workspace) is None


def test_filters_narrow_curated_answers_too(workspace: Workspace) -> None:
    money = Collection.objects.create(workspace=workspace, name="Money", slug="money")
    answer = curate(workspace, collection=money)
    for filters in (
        Filters(),
        Filters(collections=("money",)),
        Filters(languages=("en",)),
        Filters(audience="public"),
    ):
        assert curated_id(QUESTION, workspace, filters=filters) == answer.pk
    for filters in (
        Filters(collections=("other",)),
        Filters(languages=("de",)),
        Filters(audience="internal"),
        Filters(tags=("a",)),
        Filters(sources=("zendesk",)),
        Filters(updated_after=timezone.now()),
    ):
        assert curated_id(QUESTION, workspace, filters=filters) is None


def test_of_answers_about_equally_alike_the_visitors_language_goes_first(
    workspace: Workspace,
) -> None:
    curate(workspace, "refund card days")
    german = curate(workspace, "refund card days bitte", language="de")
    near = PipelineSettings(curated_above=0.5)
    asked = "refund card days bitte sofort"
    assert curated_id(asked, workspace, profile=near, language="de") == german.pk
    asked = "card refund days"  # a bag of words: as alike as can be, but not the same text
    assert curated_id(asked, workspace, profile=near, language="de") != german.pk


def test_vector_of_another_encoder_is_never_compared(workspace: Workspace) -> None:
    curate(workspace)
    near = PipelineSettings(curated_above=0.5)
    assert curated_id("how long may a refund take", workspace, profile=near)
    CuratedVector.objects.update(fingerprint="another")
    assert curated_id("how long may a refund take", workspace, profile=near) is None


def test_trace_says_which_wording_matched_and_how_well(workspace: Workspace) -> None:
    answer = curate(workspace)
    trace = Trace.objects.get(pk=ask(QUESTION, workspace).trace_id)
    told = trace.detail["answer"]
    assert told["generator"] == "curated"
    assert told["curated"]["answer_id"] == answer.pk
    assert told["curated"]["question"] == QUESTION
    assert told["curated"]["similarity"] == 1
    assert trace.detail["fused"] == trace.detail["context"] == []
    assert trace.detail["timings"]["curated"] > 0
    assert (trace.answer, trace.abstained) == (TEXT, False)


def test_message_is_marked_as_curated(api: APIClient, workspace: Workspace) -> None:
    answer = curate(workspace)
    talk = api.post("/api/v1/conversations/", {}).json()["id"]
    message = api.post(f"/api/v1/conversations/{talk}/messages/", {"text": QUESTION}).json()
    assert (message["curated"], message["curated_id"]) == (True, answer.pk)
    assert (message["text"], message["citations"], message["abstained"]) == (TEXT, [], False)
    other = api.post(f"/api/v1/conversations/{talk}/messages/", {"text": "What else?"}).json()
    assert (other["curated"], other["curated_id"]) == (False, None)
    answer.delete()
    kept = api.get(f"/api/v1/conversations/{talk}/").json()["messages"][1]
    assert (kept["curated"], kept["text"]) == (True, TEXT)


def test_asking_costs_the_same_at_one_and_at_ten_curated_answers(workspace: Workspace) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            ask("when do you open", workspace)
        return len(captured)

    queries()  # what is read once per process
    none = queries()
    curate(workspace)
    one = queries()
    for number in range(9):
        curate(workspace, f"question {number}")
    assert queries() == one == none + 1


def test_verified_leaves_a_curated_answer_without_citations(workspace: Workspace) -> None:
    answered = ask_curated(workspace)
    kept = verified(answered.answer, scope=answered.retrieval.scope)
    assert kept == answered.answer


def test_verified_withdraws_a_curated_answer_whose_quote_is_gone(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body=BODY)
    answered = ask_curated(workspace, sources=(article,))
    unpublish_article(article)
    gone: Answer = verified(answered.answer, scope=answered.retrieval.scope)
    assert gone.reason == Reason.STALE


def ask_curated(workspace: Workspace, **given: Any) -> AnsweredQuestion:
    curate(workspace, **given)
    return ask(QUESTION, workspace)


def test_article_may_be_deleted_though_an_answer_stands_on_it(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body=BODY)
    answer = curate(workspace, sources=(article,))
    delete_article(article)
    assert not Article.objects.filter(pk=article.pk).exists()
    assert [source.article for source in answer.sources.all()] == [None]


@pytest.mark.parametrize(
    ("question", "matches"),
    [
        ("How long will a refund to my card take?", True),
        ("When does a card refund arrive, how many days does it take?", True),
        ("How long does a payout to my bank take?", False),
        ("How do I refund a card?", False),
        ("What is the capital of France?", False),
    ],
)
def test_shipped_threshold_with_the_embedded_model(
    db: None,  # noqa: ARG001 - needs the database
    question: str,
    matches: bool,
) -> None:
    workspace = make_workspace(encoder="minilm")
    answer = curate(workspace, "How long does a refund to a card take?")
    assert curated_id(question, workspace) == (answer.pk if matches else None)


def test_likeness_begins_at_chance_and_ends_at_one() -> None:
    assert [likeness(cosine, 0.8) for cosine in (0.5, 0.8, 0.9, 1.0, 1.01)] == pytest.approx(
        [0, 0, 0.5, 1, 1]
    )
    assert likeness(0.9, 1.0) == 0
    for alias in ("hash", "minilm"):
        level = chance(get_encoder(alias))
        assert 0 < level < 0.3
        assert chance(get_encoder(alias)) == level
