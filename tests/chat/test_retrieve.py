"""The one retrieval path: fresh, scoped, complete, and constant in queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from chat.retrieval.conversation import Turn
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.retrieval.settings import PipelineSettings
from embeddings.errors import NoLiveIndex
from embeddings.filling.loop import embed_pending
from kb.errors import NotFound
from kb.models import Collection, Workspace
from kb.search import Filters
from kb.services import delete_article, unpublish_article
from tests.chat.conftest import Publish
from tests.conftest import HASH_ENCODERS
from tests.factories import add_revision, live, make_workspace

LONG = "\n\n".join(
    f"## Part {number}\n\n" + f"Filler about topic{number} and other things. " * 30
    for number in range(8)
)


def titles(retrieval: Retrieval) -> list[str]:
    return [hit.source.title for hit in retrieval.hits]


def queries(workspace: Workspace) -> int:
    with CaptureQueriesContext(connection) as captured:
        retrieve("how long does a refund take", workspace=workspace)
    return len(captured)


def test_best_article_comes_first_with_all_its_scores(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body="A refund takes five days.", external_id="refunds")
    publish(title="Opening hours", body="We open at nine.")
    found = retrieve("how long does a refund take", workspace=workspace)
    assert titles(found)[0] == "Refunds"
    best = found.hits[0]
    assert best.source.article_id == article.pk
    assert best.source.external_id == "refunds"
    assert all(score is not None and 0 <= score <= 1 for score in best.fused.legs.values())
    assert found.index.id == live(workspace).pk
    assert found.index.fingerprint == live(workspace).fingerprint
    assert found.timings["total"] > 0
    assert {"encode", "passages", "articles", "text", "words", "fuse", "context"} < set(
        found.timings
    )


def test_same_number_of_queries_at_one_article_and_at_ten(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Refund 0", body="A refund takes five days.")
    queries(workspace)  # the first asks how the version is searched; that is remembered
    at_one = queries(workspace)
    for number in range(1, 10):
        publish(title=f"Refund {number}", body=f"A refund takes {number} days. {LONG}")
    assert queries(workspace) == at_one <= 11
    publish(title="Refund 10", body="A refund takes ten working days.", embedded=False)
    assert queries(workspace) <= 12


def test_one_article_workspace_and_empty_workspace(workspace: Workspace, publish: Publish) -> None:
    assert retrieve("anything", workspace=workspace).hits == ()
    assert retrieve("anything", workspace=workspace).context == ()
    publish(title="Refunds", body="A refund takes five days.")
    [span] = retrieve("something else entirely", workspace=workspace).context
    assert span.text == "A refund takes five days."


def test_unpublished_article_is_absent_from_the_very_next_answer(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body="A refund takes five days.")
    publish(title="Other", body="Nothing here.")
    assert "Refunds" in titles(retrieve("refund", workspace=workspace))
    unpublish_article(article)
    found = retrieve("refund", workspace=workspace)
    assert titles(found) == ["Other"]
    assert all(span.source.article_id != article.pk for span in found.context)


def test_deleted_article_is_absent_from_the_very_next_answer(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body="A refund takes five days.")
    delete_article(article)
    assert retrieve("refund", workspace=workspace).hits == ()


def test_new_revision_is_found_by_its_words_before_it_is_embedded(
    workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body="A refund takes five days.")
    publish(title="Other", body="Nothing here.")
    add_revision(article, title="Refunds", body="A refund takes seven working days.")
    best = retrieve("how many working days", workspace=workspace).hits[0]
    assert best.source.body == "A refund takes seven working days."
    assert best.fused.legs["passage"] is None


def test_text_that_is_not_embedded_yet_is_found_with_its_best_part(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Hours", body="We open at nine.")
    publish(title="Guide", body=f"{LONG}\n\nThe zeppelin departs hourly.\n\n{LONG}", embedded=False)
    settings = PipelineSettings(context_tokens=300)
    found = retrieve("when does the zeppelin depart", workspace=workspace, profile=settings)
    assert titles(found)[0] == "Guide"
    assert any("The zeppelin departs hourly." in span.text for span in found.context)


def test_no_live_index_is_an_error_that_says_so(db: None) -> None:  # noqa: ARG001
    bare = Workspace.objects.create(slug="bare", name="Bare")
    with pytest.raises(NoLiveIndex, match="bare"):
        retrieve("anything", workspace=bare)


def test_unknown_profile_is_refused(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="nope"):
        retrieve("anything", workspace=workspace, profile="nope")


def test_internal_articles_only_when_asked_for(workspace: Workspace, publish: Publish) -> None:
    publish(title="Playbook", body="The goodwill limit is 50.", audience="internal")
    assert retrieve("goodwill limit", workspace=workspace).hits == ()
    found = retrieve("goodwill limit", workspace=workspace, include_internal=True)
    assert titles(found) == ["Playbook"]


def test_words_of_internal_articles_do_not_show_in_the_weights(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Playbook", body="The zeppelin limit is 50.", audience="internal")
    publish(title="Hours", body="We open at nine.")
    terms = retrieve("zeppelin", workspace=workspace).legs.terms
    assert terms.documents == 1
    # As rare as a word can be that no article has: nothing betrays the one that does.
    assert terms.languages["en"].frequencies == {"zeppelin": 0}


def test_other_workspaces_do_not_exist(workspace: Workspace, publish: Publish) -> None:
    other = make_workspace()
    publish(into=other, title="Refunds", body="A refund takes five days.")
    publish(title="Ours", body="A refund takes two days.")
    assert titles(retrieve("refund", workspace=workspace)) == ["Ours"]


def test_filters_narrow(workspace: Workspace, publish: Publish) -> None:
    shelf = Collection.objects.create(workspace=workspace, name="Money", slug="money")
    money = publish(title="Refunds", body="A refund takes five days.")
    money.collection, money.tags = shelf, ["cash"]
    money.save()
    publish(title="Erstattung", body="Ein refund dauert fünf Tage.", language="de")

    def found(**filters: Any) -> list[str]:
        return titles(retrieve("refund", workspace=workspace, filters=Filters(**filters)))

    assert len(found()) == 2
    assert found(collections=("money",)) == ["Refunds"]
    assert found(tags=("cash", "other")) == ["Refunds"]
    assert found(languages=("de",)) == ["Erstattung"]
    assert found(languages=("fr",)) == []


def test_sources_and_freshness_narrow(workspace: Workspace, publish: Publish) -> None:
    old, new = publish(title="Old", body="A refund."), publish(title="New", body="A refund.")
    old.source, old.published_at = "wiki", timezone.now() - timedelta(days=40)
    old.save()
    since = timezone.now() - timedelta(days=30)

    def found(**filters: Any) -> list[str]:
        return titles(retrieve("refund", workspace=workspace, filters=Filters(**filters)))

    assert found(sources=("wiki", "elsewhere")) == ["Old"]
    assert found(sources=("wik",)) == []
    assert found(updated_after=since) == ["New"]
    assert found(updated_after=new.published_at) == ["New"]
    assert found(updated_after=timezone.now()) == []


def test_audience_narrows_and_never_opens(workspace: Workspace, publish: Publish) -> None:
    publish(title="Policy", body="A refund limit.", audience="internal")
    publish(title="Refunds", body="A refund.")

    def found(audience: str, *, insider: bool) -> list[str]:
        filters = Filters(audience=audience)
        return titles(
            retrieve("refund", workspace=workspace, include_internal=insider, filters=filters)
        )

    assert found("internal", insider=True) == ["Policy"]
    assert found("public", insider=True) == found("public", insider=False) == ["Refunds"]
    assert found("internal", insider=False) == []


def test_whole_article_when_it_fits_else_its_best_spans(
    workspace: Workspace, publish: Publish
) -> None:
    body = f"{LONG}\n\n## Refunds\n\nA refund takes five days.\n\n{LONG}"
    publish(title="Guide", body=body)
    [whole] = retrieve(
        "refund", workspace=workspace, profile=PipelineSettings(context_tokens=50_000)
    ).context
    assert (whole.start, whole.end) == (0, len(body))
    spans = retrieve(
        "how long does a refund take",
        workspace=workspace,
        profile=PipelineSettings(context_tokens=300, context_articles=1),
    ).context
    assert any("A refund takes five days." in span.text for span in spans)
    assert sum(span.tokens for span in spans) <= 300
    assert all(span.text == body[span.start : span.end] and span.why for span in spans)
    ends = [-1, *(span.end for span in spans)]
    assert all(span.start > end for span, end in zip(spans, ends, strict=False))


@pytest.mark.parametrize("tokens", [50, 120, 400, 2000])
def test_context_keeps_its_budget(workspace: Workspace, publish: Publish, tokens: int) -> None:
    for number in range(4):
        publish(title=f"Refund {number}", body=f"A refund takes {number} days. {LONG}")
    settings = PipelineSettings(context_tokens=tokens, context_articles=3)
    found = retrieve("refund days", workspace=workspace, profile=settings)
    assert 0 < sum(span.tokens for span in found.context) <= tokens
    assert len({span.source.article_id for span in found.context}) <= 3


def test_span_stands_under_its_headings(workspace: Workspace, publish: Publish) -> None:
    publish(title="Guide", body=f"# Guide\n\n{LONG}\n\n### Deep\n\nThe zeppelin departs hourly.")
    settings = PipelineSettings(context_tokens=120, context_articles=1)
    found = retrieve("zeppelin", workspace=workspace, profile=settings)
    span = next(span for span in found.context if "zeppelin" in span.text)
    assert span.headings[0] == "Guide"


def test_question_of_stop_words_or_signs_alone_is_answered_somehow(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Refunds", body="A refund takes five days.")
    for question in ("the of and", "???", "🤷", "' OR 1=1 --", "a:b & !c | (d", "%s %(x)s \\"):
        assert titles(retrieve(question, workspace=workspace)) == ["Refunds"]


def test_languages_are_stemmed_each_in_its_own_way(workspace: Workspace, publish: Publish) -> None:
    publish(title="Rechnungen", body="Rechnungen werden monatlich verschickt.", language="de")
    publish(title="Invoices", body="Invoices are sent monthly.", language="en")
    german = retrieve("wann wird die Rechnung verschickt", workspace=workspace)
    assert titles(german)[0] == "Rechnungen"
    assert german.hits[0].fused.legs["passage_words"] > 0.2  # type: ignore[operator]
    assert titles(retrieve("sending an invoice", workspace=workspace))[0] == "Invoices"


def test_embedding_later_changes_nothing_about_what_is_found(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Refunds", body="A refund takes five days.", embedded=False)
    assert titles(retrieve("refund", workspace=workspace)) == ["Refunds"]
    embed_pending(live(workspace))
    found = retrieve("refund", workspace=workspace)
    assert titles(found) == ["Refunds"]
    assert found.hits[0].fused.legs["passage"] is not None


def test_name_that_one_article_only_has_is_found_among_many(
    workspace: Workspace, publish: Publish
) -> None:
    question = "what is it that we do with Z4711"
    for number in range(8):
        publish(title=f"Other {number}", body="What is it that we do with others.")
    publish(title="Codes", body="Z4711: the tank is low. " + "Other things entirely. " * 20)
    settings = PipelineSettings(scored_articles=3, passage_candidates=5, article_candidates=5)
    assert "Codes" in titles(retrieve(question, workspace=workspace, profile=settings))


def test_phrase_of_the_question_decides_between_the_same_words(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="One", body="A card refund needs no gift or voucher.")
    publish(title="Two", body="A gift card needs no voucher or refund.")
    asked = {"question": "gift card", "workspace": workspace}
    assert titles(retrieve(**asked))[0] == "Two"  # type: ignore[arg-type]
    without = PipelineSettings(phrase_weight=0)
    scores = [hit.score for hit in retrieve(**asked, profile=without).hits]  # type: ignore[arg-type]
    assert scores[0] == pytest.approx(scores[1], abs=0.01)


@pytest.mark.parametrize(
    ("body", "language", "question"),
    [
        ("退款将在五个工作日内到账。", "zh", "多久可以收到退款"),
        ("환불은 5일 이내에 처리됩니다.", "ko", "환불 언제"),
        ("คืนเงินภายในห้าวันทำการ", "und", "คืนเงินเมื่อไหร่"),
        ("Rotate the API密钥 twice.", "en", "怎么换密钥"),
    ],
)
def test_scripts_without_spaces_are_found_by_their_words(
    workspace: Workspace, publish: Publish, body: str, language: str, question: str
) -> None:
    publish(title="Hours", body="We open at nine.")
    publish(title="Found", body=body, language=language)
    best = retrieve(question, workspace=workspace).hits[0]
    assert best.source.title == "Found"
    assert best.fused.legs["passage_words"]


def test_languages_that_the_encoder_does_not_speak_rank_by_their_words(
    workspace: Workspace, publish: Publish, settings: Settings
) -> None:
    publish(title="Noise", body="wie das mit den", language="de")
    publish(title="Answer", body="Erstattungen: fünf Tage.", language="de")
    question = "wie das mit den Erstattungen dauert"
    assert titles(retrieve(question, workspace=workspace)) == ["Noise", "Answer"]
    settings.ENCODERS = {**HASH_ENCODERS, "hash": {**HASH_ENCODERS["hash"], "LANGUAGES": ("en",)}}
    assert titles(retrieve(question, workspace=workspace)) == ["Answer", "Noise"]


def said(*texts: str) -> list[Turn]:
    """A conversation, the visitor first."""
    return [
        Turn(role="assistant" if at % 2 else "visitor", text=text) for at, text in enumerate(texts)
    ]


def test_follow_up_finds_with_history_what_it_does_not_find_alone(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Spouses and tax", body="For a spouse the tax form is B2.")
    publish(title="Spouses and pension", body="For a spouse the pension is halved.")
    for number in range(3):
        publish(title=f"Other {number}", body="For members there is a pool.")
    history = said("how does the pension work", "The pension starts at 67.")
    alone = retrieve("and for my spouse?", workspace=workspace).hits
    assert alone[0].score == pytest.approx(alone[1].score, abs=0.1)
    found = retrieve("and for my spouse?", workspace=workspace, history=history)
    assert titles(found)[0] == "Spouses and pension"
    assert found.hits[0].score - found.hits[1].score > 0.1
    assert [turn.text for turn in found.question.turns] == [t.text for t in reversed(history)]
    assert set(found.legs.terms.languages["en"].weights) >= {"pension", "spous"}


@pytest.mark.parametrize(
    "text", ["a\x00b refund", "\ud800 refund", "' OR 1=1 -- \\", "%s {x}", " "]
)
def test_whatever_was_said_before_is_only_text(
    workspace: Workspace, publish: Publish, text: str
) -> None:
    publish(title="Refunds", body="A refund takes five days.")
    found = retrieve("and now?", workspace=workspace, history=said(text, "Sorry."))
    assert titles(found) == ["Refunds"]


def test_long_conversation_of_many_words_in_many_languages_is_asked(
    workspace: Workspace, publish: Publish
) -> None:
    for language in ("en", "de", "fr", "es", "it"):
        publish(title="Zeppelin", body="The zeppelin flies.", language=language)
    turns = [" ".join(f"w{turn}x{at}" for at in range(500)) for turn in range(20)]
    found = retrieve("the zeppelin", workspace=workspace, history=said(*turns))
    assert len(found.hits) == 5
    assert len(found.question.turns) == 20
