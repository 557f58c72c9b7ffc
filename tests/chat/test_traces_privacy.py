"""What is stored of a question is the workspace's choice, and goes when its time is over."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone
from rest_framework.test import APIClient

from chat.answering.answer import answer_question
from chat.models import Conversation, Message, Trace, TracePolicy
from chat.retrieval.conversation import Turn
from chat.services.traces import replay_trace
from chat.tasks import forget_traces
from chat.tracing import retention
from kb.access import caller_for_system
from kb.errors import Conflict
from kb.models import Workspace
from tests.chat.conftest import Publish, answer_always
from tests.factories import make_workspace

BODY = "A refund takes five days. Write to help@shop.example."
MAIL, CARD, PHONE = "ann@example.com", "4111 1111 1111 1111", "(415) 555-2671"
QUESTION = f"refund for {MAIL}, card {CARD}"
HISTORY = (
    Turn(role="visitor", text=f"I am {MAIL}, phone {PHONE}"),
    Turn(role="assistant", text="How can I help?"),
)


def set_policy(workspace: Workspace, **given: Any) -> None:
    TracePolicy.objects.update_or_create(workspace=workspace, defaults=given)


def asked(workspace: Workspace, question: str = QUESTION, **given: Any) -> Trace:
    made = answer_question(question, workspace=workspace, history=HISTORY, **given)
    return Trace.objects.get(pk=made.trace_id)


def everything(trace: Trace) -> str:
    return json.dumps([trace.question, trace.answer, trace.detail])


def test_by_default_personal_data_is_masked_everywhere(
    workspace: Workspace, publish: Publish
) -> None:
    answer_always(workspace)
    publish(title="Refunds", body=BODY)
    trace = asked(workspace)
    kept = everything(trace)
    assert trace.question == trace.detail["question"]["asked"] == "refund for [email], card [card]"
    assert trace.detail["question"]["history"][0] == {
        "role": "visitor",
        "text": "I am [email], phone [phone]",
    }
    for private in (MAIL, "ann@", "1111", "555-2671"):
        assert private not in kept
    assert trace.detail["legs"]["terms"] == {}
    assert trace.detail["privacy"] == {"texts": True, "masked": True}


def test_articles_words_are_not_the_visitors(workspace: Workspace, publish: Publish) -> None:
    answer_always(workspace)
    publish(title="Refunds", body="A refund needs a mail to help@shop.example.")
    trace = asked(workspace, "how do I get a refund")
    [citation] = trace.detail["answer"]["citations"]
    assert "help@shop.example" in citation["quote"]
    assert "[email]" in trace.answer


def test_harmless_question_keeps_its_terms(workspace: Workspace, publish: Publish) -> None:
    publish(title="Refunds", body=BODY)
    made = answer_question("how long does a refund take", workspace=workspace)
    trace = Trace.objects.get(pk=made.trace_id)
    assert "refund" in trace.detail["legs"]["terms"]["en"]
    assert trace.detail["privacy"] == {"texts": True, "masked": False}


def test_the_visitor_still_gets_the_whole_answer(api: APIClient, publish: Publish) -> None:
    publish(title="Refunds", body=BODY)
    found = api.post("/api/v1/retrieve", {"question": QUESTION}).json()
    assert found["question"] == QUESTION
    assert MAIL not in everything(Trace.objects.get(pk=found["trace_id"]))


def test_masking_can_be_turned_off(workspace: Workspace, publish: Publish) -> None:
    set_policy(workspace, redact=False)
    publish(title="Refunds", body=BODY)
    assert asked(workspace).question == QUESTION


def test_numbers_without_country_code_by_the_policys_regions(
    workspace: Workspace, publish: Publish
) -> None:
    publish(title="Refunds", body=BODY)
    question = "refund to 030 901820"
    assert asked(workspace, question, language="en").question == question
    assert asked(workspace, question, language="de").question == "refund to [phone]"
    set_policy(workspace, phone_regions=["de"])
    assert asked(workspace, question, language="en").question == "refund to [phone]"


def test_without_texts_only_ids_and_scores_stay(workspace: Workspace, publish: Publish) -> None:
    answer_always(workspace)
    set_policy(workspace, keep_texts=False)
    article = publish(title="Refunds", body=BODY)
    trace = asked(workspace)
    kept = everything(trace)
    assert trace.question == trace.answer == ""
    for word in ("refund", "five days", "ann", "help you", "I help"):
        assert word not in kept.replace("Refunds", "")
    assert trace.detail["fused"][0]["article_id"] == article.pk
    assert trace.detail["answer"]["citations"][0]["article_id"] == article.pk
    assert trace.confidence is not None
    with pytest.raises(Conflict, match="kept no words"):
        replay_trace(caller_for_system(workspace), trace)


def test_policies_hold_for_their_own_workspace(workspace: Workspace, publish: Publish) -> None:
    other = make_workspace()
    set_policy(other, keep_texts=False, redact=False)
    publish(title="Refunds", body=BODY)
    assert asked(workspace).question == "refund for [email], card [card]"
    assert asked(other).question == ""


def test_days_are_bounded(workspace: Workspace) -> None:
    with pytest.raises(ValidationError):
        TracePolicy(workspace=workspace, keep_days=3651).full_clean()
    with pytest.raises(IntegrityError):
        TracePolicy.objects.create(workspace=workspace, keep_days=3651)


def aged(workspace: Workspace, days: int) -> Trace:
    trace = Trace.objects.create(
        workspace=workspace, question="q", index_version_id=1, profile="p", detail={}
    )
    made = timezone.now() - timedelta(days=days)
    Trace.objects.filter(pk=trace.pk).update(created_at=made)
    return trace


def test_old_traces_go_and_what_points_at_them_stays(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    old = [aged(workspace, 91 + number) for number in range(5)]
    young = aged(workspace, 89)
    replay = aged(workspace, 1)
    Trace.objects.filter(pk=replay.pk).update(replay_of=old[0])
    talk = Conversation.objects.create(workspace=workspace)
    said = Message.objects.create(
        conversation=talk, number=1, role="assistant", text="kept", trace=old[0]
    )
    assert forget_traces() == 5
    assert set(Trace.objects.all()) == {young, replay}
    said.refresh_from_db()
    replay.refresh_from_db()
    assert (said.text, said.trace_id, replay.replay_of_id) == ("kept", None, None)
    assert forget_traces() == 0


def test_each_workspace_has_its_own_days(workspace: Workspace) -> None:
    forever, short = make_workspace(), make_workspace()
    set_policy(forever, keep_days=0)
    set_policy(short, keep_days=7)
    kept = [aged(forever, 5000), aged(short, 6), aged(workspace, 80)]
    for each, days in ((short, 8), (workspace, 100)):
        aged(each, days)
    assert forget_traces() == 2
    assert set(Trace.objects.all()) == set(kept)
