"""Follow-up questions without a language model, through the doors that take a history."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydantic import SecretStr
from pytest_django import Settings
from rest_framework.test import APIClient

from chat.models import Conversation, Message, Trace
from chat.retrieval.conversation import MAX_TURNS, Turn, spell_out, weigh_history
from chat.retrieval.pipeline import retrieve
from chat.retrieval.rewriters import forget_rewriters
from chat.retrieval.settings import PipelineSettings
from chat.services.conversations import history_of
from kb.models import Workspace
from tests.chat.conftest import Publish, answer_always, threshold
from tests.chat.test_api import RETRIEVE, start
from tests.chat.test_api import say as say_it
from tests.factories import make_workspace
from tests.standins.chat_server import KEY, MODEL, ChatServer

FIRST = "how do I apply for a residence permit"
SECOND = "and for my spouse?"
SETTINGS = PipelineSettings()


@pytest.fixture
def permits(workspace: Workspace, publish: Publish) -> None:
    """An article on each side of a follow-up: what it is about, and what it sounds like."""
    answer_always(workspace)
    publish(
        title="Residence permit",
        body="To apply for a residence permit, go to the town hall. A spouse applies with you.",
        external_id="permit",
    )
    publish(title="Gym", body="A spouse trains for half. Your spouse brings a towel.")


def say(api: APIClient, conversation: str, text: str) -> dict[str, Any]:
    return dict(say_it(api, conversation, text))


def cited(answer: dict[str, Any]) -> list[str]:
    return [citation["title"] for citation in answer["citations"]]


def history_in(answer: dict[str, Any]) -> list[Any]:
    kept: list[Any] = Trace.objects.get(pk=answer["trace_id"]).detail["question"]["history"]
    return kept


@pytest.mark.usefixtures("permits")
class TestConversations:
    """What was said in a conversation counts for its next question, and for no other's."""

    def test_a_follow_up_is_about_what_was_said_before(self, api: APIClient) -> None:
        alone = say(api, start(api), SECOND)
        assert cited(alone)[0] == "Gym"
        conversation = start(api)
        first = say(api, conversation, FIRST)
        answer = say(api, conversation, SECOND)
        assert cited(answer)[0] == "Residence permit"
        trace = Trace.objects.get(pk=answer["trace_id"])
        assert trace.question == SECOND
        asked = trace.detail["question"]
        assert (asked["text"], asked["standalone"]) == (SECOND, f"{FIRST}\n{SECOND}")
        assert asked["history"] == [
            {"role": "visitor", "text": FIRST},
            {"role": "assistant", "text": first["text"]},
        ]
        assert [turn["text"] for turn in asked["turns"]] == [first["text"], FIRST]
        assert trace.detail["rewriting"]["skipped"] == "no language model is set up"
        assert Message.objects.get(conversation_id=conversation, number=3).text == SECOND

    def test_a_model_words_the_search_and_not_the_visitor(
        self, api: APIClient, settings: Settings
    ) -> None:
        with ChatServer("residence permit of a spouse at the town hall") as model:
            settings.LLM_BASE_URL, settings.LLM_MODEL = model.url, MODEL
            settings.LLM_API_KEY = SecretStr(KEY)
            conversation = start(api, language="en")
            say(api, conversation, FIRST)
            assert not model.requests
            answer = say(api, conversation, SECOND)
            forget_rewriters()
        assert cited(answer)[0] == "Residence permit"
        [given] = model.read()
        assert (given["question"], given["conversation"][0]["text"]) == (SECOND, FIRST)
        assert Message.objects.get(conversation_id=conversation, number=3).text == SECOND

    def test_conversations_do_not_hear_each_other(self, api: APIClient) -> None:
        one, other = start(api), start(api)
        say(api, one, FIRST)
        answer = say(api, other, SECOND)
        assert history_in(answer) == []
        assert cited(answer)[0] == "Gym"
        assert "residence" not in json.dumps(
            Trace.objects.get(pk=answer["trace_id"]).detail["question"]
        )
        say(api, one, "what does it cost")
        assert len(history_in(say(api, other, "and when?"))) == 2

    def test_answers_that_say_nothing_are_not_passed_on(
        self, api: APIClient, workspace: Workspace
    ) -> None:
        threshold(workspace, 1.0)
        conversation = start(api)
        assert say(api, conversation, FIRST)["abstained"] is True
        answer = say(api, conversation, SECOND)
        assert history_in(answer) == [{"role": "visitor", "text": FIRST}]

    def test_personal_data_said_before_is_masked_in_the_trace_alone(self, api: APIClient) -> None:
        conversation = start(api)
        say(api, conversation, f"{FIRST}, I am ann@example.com")
        answer = say(api, conversation, SECOND)
        detail = Trace.objects.get(pk=answer["trace_id"]).detail
        assert "ann@" not in json.dumps(detail)
        assert detail["question"]["standalone"] == f"{FIRST}, I am [email]\n{SECOND}"
        assert "ann@example.com" in Message.objects.get(conversation_id=conversation, number=1).text

    def test_a_message_takes_the_same_queries_after_one_turn_and_after_ten(
        self, api: APIClient
    ) -> None:
        conversation = start(api)

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                say(api, conversation, SECOND)
            return len(captured)

        say(api, conversation, SECOND)
        queries()
        after_two = queries()
        for _ in range(8):
            say(api, conversation, SECOND)
        assert queries() == after_two


def test_the_last_turns_are_passed_in_order(workspace: Workspace) -> None:
    conversation = Conversation.objects.create(workspace=workspace)
    other = Conversation.objects.create(workspace=make_workspace())
    roles = ["visitor", "assistant"]
    for each in (conversation, other):
        Message.objects.bulk_create(
            Message(conversation=each, number=n, role=roles[(n - 1) % 2], text=f"{each.pk} {n}")
            for n in range(1, 31)
        )
    said = history_of(conversation)
    assert len(said) == MAX_TURNS
    assert said[0] == Turn(role="visitor", text=f"{conversation.pk} 11")
    assert said[-1] == Turn(role="assistant", text=f"{conversation.pk} 30")
    assert history_of(Conversation.objects.create(workspace=workspace)) == []


@pytest.mark.usefixtures("permits")
class TestRetrieve:
    """`history` of `POST /api/v1/retrieve`."""

    def test_it_finds_what_the_question_is_about(self, api: APIClient) -> None:
        alone = api.post(RETRIEVE, {"question": SECOND}).json()
        history = [{"role": "visitor", "text": FIRST}, {"role": "assistant", "text": "Yes."}]
        found = api.post(RETRIEVE, {"question": SECOND, "history": history}).json()
        assert [each["hits"][0]["title"] for each in (alone, found)] == ["Gym", "Residence permit"]
        assert (found["question"], found["rewritten_by"]) == (SECOND, "")
        assert found["standalone"] == f"{FIRST}\n{SECOND}"
        assert alone["standalone"] == SECOND
        assert history_in(found) == history

    @pytest.mark.parametrize(
        "history",
        [
            "hello",
            ["hello"],
            [{"text": "hello"}],
            [{"role": "visitor"}],
            [{"role": "system", "text": "hello"}],
            [{"role": "visitor", "text": " "}],
            [{"role": "visitor", "text": "a\x00b"}],
            [{"role": "visitor", "text": "a\ud800b"}],
            [{"role": "visitor", "text": "a" * 4001}],
            [{"role": "visitor", "text": ["a"]}],
            [{"role": "visitor", "text": "a"}] * 21,
        ],
    )
    def test_what_is_no_history_is_refused(self, api: APIClient, history: Any) -> None:
        body = json.dumps({"question": SECOND, "history": history})
        response = api.post(RETRIEVE, body, content_type="application/json")
        assert response.status_code == 400
        assert "history" in response.json()["errors"]
        assert not Trace.objects.exists()

    def test_as_much_as_is_allowed_is_taken(self, api: APIClient) -> None:
        history = [{"role": "visitor", "text": f"{n} " + "a" * 3997} for n in range(20)]
        response = api.post(RETRIEVE, {"question": SECOND, "history": history})
        assert response.status_code == 200

    def test_bounds_are_in_the_schema(self, api: APIClient) -> None:
        schemas = api.get("/api/schema/?format=json").json()["components"]["schemas"]
        history = schemas["RetrieveInputRequest"]["properties"]["history"]
        turn = schemas["TurnInputRequest"]["properties"]
        assert (history["maxItems"], turn["text"]["maxLength"]) == (20, 4000)
        assert set(schemas["RetrieveInputRequest"]["required"]) == {"question"}
        assert {"question", "standalone", "rewritten_by"} <= set(schemas["Retrieval"]["properties"])


def turns(*texts: str) -> list[Turn]:
    """A visitor's and an assistant's by turns."""
    return [
        Turn(role="assistant" if place % 2 else "visitor", text=text)
        for place, text in enumerate(texts)
    ]


def test_turns_fade_the_newest_counting_most() -> None:
    weighed = weigh_history(turns("v1", "a1", "v2", "a2"), SETTINGS)
    assert [each.text for each in weighed] == ["a2", "v2", "a1", "v1"]
    assert [each.weight / weighed[0].weight for each in weighed] == pytest.approx(
        [1, 1.4, 0.9, 1.26]
    )


def test_all_turns_together_count_no_more_than_the_question() -> None:
    assert [each.weight for each in weigh_history(turns("v1"), SETTINGS)] == [0.7]
    long = weigh_history(turns(*(f"turn {number}" for number in range(20))), SETTINGS)
    assert sum(each.weight for each in long) == pytest.approx(1)
    loud = PipelineSettings(history_weight=100)
    assert sum(each.weight for each in weigh_history(turns("v1", "a1", "v2"), loud)) > 1.7


@pytest.mark.parametrize("exchanges", [1, 2, 10])
def test_a_new_subject_is_heard(workspace: Workspace, publish: Publish, exchanges: int) -> None:
    publish(title="Retirement pension", body="You get a retirement pension from the age of 66.")
    publish(title="Opening hours", body="The office opens at nine and closes at five.")
    talk = turns(*["when do I get my pension", "From the age of 66."] * exchanges)
    found = retrieve("what are the opening hours of the office", workspace=workspace, history=talk)
    assert found.hits[0].source.title == "Opening hours"


def test_forgotten_empty_and_pasted_turns_are_left_out() -> None:
    fast = PipelineSettings(history_decay=0.1, history_assistant_weight=0)
    assert [each.text for each in weigh_history(turns("v1", "a", "v2", "a", "v3"), fast)] == [
        "v3",
        "v2",
    ]
    assert weigh_history(turns(" ", "a" * 4001), SETTINGS) == []


def test_spelt_out_it_reads_in_the_order_in_which_it_was_said() -> None:
    assert spell_out("q", turns("one", "yes", " two "), SETTINGS) == "one\ntwo\nq"
    assert spell_out("q", [], SETTINGS) == "q"


def test_spelt_out_it_stays_short_and_nothing_is_cut() -> None:
    long = turns("old " * 200, "a", "new " * 100, "a")
    assert spell_out("q", long, SETTINGS) == f"{('new ' * 100).strip()}\nq"
    assert spell_out("q" * 3000, long, SETTINGS) == "q" * 3000
    deaf = PipelineSettings(history_visitor_weight=0)
    assert spell_out("q", long, deaf) == "q"
