"""Questions, conversations and traces over HTTP."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from chat.models import Conversation, Message, Trace
from kb.models import Workspace
from kb.services import unpublish_article
from tests.chat.conftest import ClientFor, Publish, answer_always, threshold

RETRIEVE = "/api/v1/retrieve"
CONVERSATIONS = "/api/v1/conversations/"
BODY = "# Refunds\n\nA **refund** takes five days. Weekends do not count.\n\n- Keep the receipt."


def start(api: APIClient, **given: object) -> str:
    response = api.post(CONVERSATIONS, given)
    assert response.status_code == 201, response.content
    return str(response.json()["id"])


def say(api: APIClient, conversation: str, text: str) -> dict[str, object]:
    response = api.post(f"{CONVERSATIONS}{conversation}/messages/", {"text": text})
    assert response.status_code == 201, response.content
    answer: dict[str, object] = response.json()
    return answer


def test_retrieve_gives_articles_context_and_a_trace(api: APIClient, publish: Publish) -> None:
    article = publish(title="Refunds", body=BODY, external_id="refunds")
    response = api.post(RETRIEVE, {"question": " how long does a refund take "})
    assert response.status_code == 200
    found = response.json()
    assert found["question"] == "how long does a refund take"
    assert found["profile"] == "default"
    assert found["index"]["encoder"] == "hash"
    [hit] = found["hits"]
    assert (hit["article_id"], hit["external_id"]) == (article.pk, "refunds")
    assert set(hit["legs"]) == {"passage", "passage_words", "article", "article_words", "title"}
    [span] = found["context"]
    assert span["text"] == BODY[span["start"] : span["end"]] == BODY
    trace = Trace.objects.get(pk=found["trace_id"])
    assert trace.abstained is None
    assert trace.detail["context"][0]["article_id"] == article.pk


def test_message_is_answered_with_verbatim_citations(
    api: APIClient, workspace: Workspace, publish: Publish
) -> None:
    answer_always(workspace)
    article = publish(title="Refunds", body=BODY, external_id="refunds")
    answer = say(api, start(api), "how long does a refund take")
    assert answer["role"] == "assistant"
    assert answer["abstained"] is False
    assert answer["reason"] == ""
    assert "A refund takes five days. Weekends do not count. [1]" in str(answer["text"])
    assert answer["citations"]
    for citation in answer["citations"]:  # type: ignore[attr-defined]
        assert citation["quote"] == BODY[citation["start"] : citation["end"]]
        assert citation["article_id"] == article.pk
        assert citation["title"] == "Refunds"


def test_unsure_answer_abstains_without_citations(
    api: APIClient, workspace: Workspace, publish: Publish
) -> None:
    threshold(workspace, 1.0)
    publish(title="Refunds", body=BODY)
    answer = say(api, start(api), "who won the cup in nineteen fifty four")
    assert answer["abstained"] is True
    assert answer["citations"] == []
    assert answer["reason"] in {"no_match", "out_of_scope", "ambiguous"}
    assert answer["text"] == "I could not find an answer to that in our help articles."


def test_empty_workspace_abstains(api: APIClient, workspace: Workspace) -> None:
    answer_always(workspace)
    answer = say(api, start(api, language="de"), "Was kostet das?")
    assert (answer["abstained"], answer["reason"], answer["confidence"]) == (True, "no_match", 0)
    assert str(answer["text"]).startswith("Dazu habe ich")


def test_conversation_keeps_its_turns_in_order(
    api: APIClient, workspace: Workspace, publish: Publish
) -> None:
    answer_always(workspace)
    publish(title="Refunds", body=BODY)
    conversation = start(api, metadata={"page": "/pricing"})
    first = say(api, conversation, "refund?")
    say(api, conversation, "and the receipt?")
    kept = api.get(f"{CONVERSATIONS}{conversation}/").json()
    assert kept["metadata"] == {"page": "/pricing"}
    assert [(m["number"], m["role"]) for m in kept["messages"]] == [
        (1, "visitor"),
        (2, "assistant"),
        (3, "visitor"),
        (4, "assistant"),
    ]
    assert kept["messages"][0]["text"] == "refund?"
    assert kept["messages"][1] == first


def test_reading_a_conversation_takes_the_same_queries_at_one_turn_and_at_five(
    api: APIClient, workspace: Workspace, publish: Publish
) -> None:
    answer_always(workspace)
    publish(title="Refunds", body=BODY)
    conversation = start(api)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get(f"{CONVERSATIONS}{conversation}/")
        return len(captured)

    say(api, conversation, "refund?")
    at_one = queries()
    for number in range(4):
        say(api, conversation, f"refund {number}?")
    assert queries() == at_one


def test_asking_takes_the_same_queries_at_one_article_and_at_ten(
    api: APIClient, workspace: Workspace, publish: Publish
) -> None:
    answer_always(workspace)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            say(api, start(api), "how long does a refund take")
        return len(captured)

    publish(title="Refunds", body=BODY)
    queries()  # the key's first use is written down
    at_one = queries()
    for number in range(9):
        publish(title=f"Refunds {number}", body=f"{BODY}\n\nCase {number}.")
    assert queries() == at_one


def test_unpublished_article_is_absent_from_the_very_next_answer(
    api: APIClient, workspace: Workspace, publish: Publish
) -> None:
    answer_always(workspace)
    article = publish(title="Refunds", body=BODY)
    publish(title="Hours", body="We open at nine.")
    conversation = start(api)
    assert say(api, conversation, "refund")["citations"]
    unpublish_article(article)
    answer = say(api, conversation, "refund")
    assert all(c["article_id"] != article.pk for c in answer["citations"])  # type: ignore[attr-defined]
    assert "five days" not in str(answer["text"])


def test_trace_explains_an_answer(api: APIClient, workspace: Workspace, publish: Publish) -> None:
    answer_always(workspace)
    article = publish(title="Refunds", body=BODY)
    answer = say(api, start(api), "how long does a refund take")
    response = api.get(f"/api/v1/traces/{answer['trace_id']}/")
    assert response.status_code == 200
    trace = response.json()
    detail = trace["detail"]
    assert trace["question"] == detail["question"]["text"] == "how long does a refund take"
    assert trace["answer"] == answer["text"]
    assert trace["encoder_fingerprint"] == detail["index"]["fingerprint"]
    assert detail["settings"]["name"] == trace["profile"] == "test"
    assert detail["legs"]["passage"][0]["article_id"] == article.pk
    assert detail["fused"][0]["legs"]["passage"] > 0
    assert detail["context"][0]["why"]
    assert detail["answer"]["generator"] == "extractive"
    assert detail["answer"]["evidence"]
    assert detail["timings"]["generate"] > 0
    quoted = [(c["start"], c["end"]) for c in detail["answer"]["citations"]]
    assert quoted == [(c["start"], c["end"]) for c in answer["citations"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("question", ["", "   ", "\u200b", "x" * 4001, "x" * 100_000, "a\x07b"])
def test_bad_questions_are_problems_and_leave_nothing(api: APIClient, question: str) -> None:
    conversation = start(api)
    asked = api.post(f"{CONVERSATIONS}{conversation}/messages/", {"text": question})
    for response in (api.post(RETRIEVE, {"question": question}), asked):
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
    assert not Trace.objects.exists()
    assert not Message.objects.exists()


def test_nul_is_refused(api: APIClient) -> None:
    assert api.post(RETRIEVE, {"question": "a\x00b"}).status_code == 400


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"question": None},
        {"question": ["a"]},
        {"question": "refund", "languages": ["xx"]},
        {"question": "refund", "tags": "cash"},
        {"question": "refund", "collections": ["a"] * 51},
        {"question": "refund", "sources": "wiki"},
        {"question": "refund", "audience": "everyone"},
        {"question": "refund", "updated_after": "last week"},
    ],
)
def test_malformed_requests_are_problems(api: APIClient, given: dict[str, object]) -> None:
    assert api.post(RETRIEVE, given).status_code == 400


def test_unknown_profile_is_404(api: APIClient) -> None:
    response = api.post(RETRIEVE, {"question": "refund", "profile": "nope"})
    assert response.status_code == 404
    assert "nope" in response.json()["detail"]


def test_no_live_index_is_503_and_nothing_is_kept(db: None, client_for: ClientFor) -> None:  # noqa: ARG001
    api = client_for(Workspace.objects.create(slug="bare", name="Bare"))
    conversation = start(api)
    asked = api.post(f"{CONVERSATIONS}{conversation}/messages/", {"text": "refund?"})
    for response in (api.post(RETRIEVE, {"question": "refund?"}), asked):
        assert response.status_code == 503
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "no_live_index"
        assert response["Retry-After"]
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("chat", "post", RETRIEVE),
        ("retrieve", "post", CONVERSATIONS),
        ("retrieve", "get", f"{CONVERSATIONS}{uuid.uuid4()}/"),
        ("retrieve", "post", f"{CONVERSATIONS}{uuid.uuid4()}/messages/"),
        ("chat", "get", f"/api/v1/traces/{uuid.uuid4()}/"),
    ],
)
def test_each_route_needs_its_scope(
    workspace: Workspace, client_for: ClientFor, scope: str, method: str, path: str
) -> None:
    given = {"question": "refund?", "text": "refund?"} if method == "post" else None
    assert getattr(client_for(workspace, scope), method)(path, given).status_code == 403
    assert getattr(APIClient(), method)(path, given).status_code == 401


def test_full_conversation_says_so(
    api: APIClient, workspace: Workspace, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.services.conversations.MAX_MESSAGES", 2)
    answer_always(workspace)
    publish(title="Refunds", body=BODY)
    conversation = start(api)
    say(api, conversation, "refund?")
    response = api.post(f"{CONVERSATIONS}{conversation}/messages/", {"text": "refund?"})
    assert response.status_code == 409
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    "given", [{"language": "xx"}, {"metadata": "text"}, {"metadata": {"a": "x" * 5000}}]
)
def test_bad_conversations_are_refused(api: APIClient, given: dict[str, object]) -> None:
    assert api.post(CONVERSATIONS, given).status_code == 400
    assert not Conversation.objects.exists()
