"""Nothing of one workspace, and nothing internal, reaches who may not have it."""

from __future__ import annotations

import json

import pytest
from rest_framework.test import APIClient

from chat.models import Conversation, Trace
from kb.models import Scope, Workspace
from tests.chat.conftest import PUBLIC_SCOPES, ClientFor, Publish, answer_always
from tests.factories import make_workspace

RETRIEVE = "/api/v1/retrieve"
CONVERSATIONS = "/api/v1/conversations/"
QUESTION = "what is the goodwill limit"
SECRET = "The goodwill limit is fifty zeppelins."


@pytest.fixture
def other(db: None) -> Workspace:  # noqa: ARG001 - needs the database
    """A second tenant."""
    workspace = make_workspace()
    answer_always(workspace)
    return workspace


@pytest.fixture
def their_api(other: Workspace, client_for: ClientFor) -> APIClient:
    """Everything that a key of the other tenant can open."""
    return client_for(other, *Scope.values)


@pytest.fixture
def internal_api(workspace: Workspace, client_for: ClientFor) -> APIClient:
    """A key that sees internal articles of ours."""
    return client_for(workspace, *PUBLIC_SCOPES, Scope.INTERNAL)


def hold(api: APIClient) -> tuple[str, str]:
    """Ids of a conversation with one answered question, and of its trace."""
    conversation = str(api.post(CONVERSATIONS, {}).json()["id"])
    answer = api.post(f"{CONVERSATIONS}{conversation}/messages/", {"text": QUESTION}).json()
    return conversation, str(answer["trace_id"])


def test_same_article_and_question_in_two_workspaces_stay_apart(
    workspace: Workspace,
    other: Workspace,
    api: APIClient,
    their_api: APIClient,
    publish: Publish,
) -> None:
    answer_always(workspace)
    ours = publish(title="Goodwill", body=SECRET, external_id="same")
    theirs = publish(into=other, title="Goodwill", body=SECRET, external_id="same")
    for client, article in ((api, ours), (their_api, theirs)):
        found = client.post(RETRIEVE, {"question": QUESTION}).json()
        assert [hit["article_id"] for hit in found["hits"]] == [article.pk]
        assert {span["article_id"] for span in found["context"]} == {article.pk}
        conversation, trace = hold(client)
        kept = client.get(f"{CONVERSATIONS}{conversation}/").json()
        cited = {c["article_id"] for m in kept["messages"] for c in m["citations"]}
        assert cited == {article.pk}
        detail = client.get(f"/api/v1/traces/{trace}/").json()["detail"]
        assert {each["article_id"] for each in detail["fused"]} == {article.pk}


def test_conversations_and_traces_of_another_workspace_do_not_exist(
    workspace: Workspace, api: APIClient, their_api: APIClient, publish: Publish
) -> None:
    answer_always(workspace)
    publish(title="Goodwill", body=SECRET)
    conversation, trace = hold(api)
    messages = Conversation.objects.get(pk=conversation).messages.count()
    path = f"{CONVERSATIONS}{conversation}/"
    assert their_api.get(path).status_code == 404
    assert their_api.post(f"{path}messages/", {"text": QUESTION}).status_code == 404
    assert their_api.get(f"/api/v1/traces/{trace}/").status_code == 404
    assert Conversation.objects.get(pk=conversation).messages.count() == messages


def test_internal_article_never_reaches_a_key_without_the_scope(
    workspace: Workspace, api: APIClient, internal_api: APIClient, publish: Publish
) -> None:
    answer_always(workspace)
    publish(title="Playbook", body=SECRET, audience="internal")
    publish(title="Hours", body="We open at nine.")
    assert "zeppelins" in json.dumps(internal_api.post(RETRIEVE, {"question": QUESTION}).json())
    found = api.post(RETRIEVE, {"question": QUESTION}).json()
    conversation, trace = hold(api)
    seen = [
        found,
        api.get(f"{CONVERSATIONS}{conversation}/").json(),
        api.get(f"/api/v1/traces/{trace}/").json(),
        api.get(f"/api/v1/traces/{found['trace_id']}/").json(),
    ]
    assert "zeppelin" not in json.dumps(seen)
    assert "Playbook" not in json.dumps(seen)


def test_internal_conversations_and_traces_exist_only_for_who_may_see_them(
    workspace: Workspace, api: APIClient, internal_api: APIClient, publish: Publish
) -> None:
    answer_always(workspace)
    publish(title="Playbook", body=SECRET, audience="internal")
    conversation, trace = hold(internal_api)
    path = f"{CONVERSATIONS}{conversation}/"
    assert "zeppelins" in internal_api.get(path).content.decode()
    assert api.get(path).status_code == 404
    assert api.post(f"{path}messages/", {"text": QUESTION}).status_code == 404
    assert api.get(f"/api/v1/traces/{trace}/").status_code == 404


def test_public_conversation_stays_public_whoever_writes_in_it(
    workspace: Workspace, api: APIClient, internal_api: APIClient, publish: Publish
) -> None:
    answer_always(workspace)
    publish(title="Playbook", body=SECRET, audience="internal")
    conversation, _ = hold(api)
    path = f"{CONVERSATIONS}{conversation}/"
    answer = internal_api.post(f"{path}messages/", {"text": QUESTION})
    assert answer.status_code == 201
    assert "zeppelin" not in answer.content.decode()
    assert "zeppelin" not in api.get(path).content.decode()
    assert not Trace.objects.filter(include_internal=True).exists()


def test_asking_for_internal_articles_opens_nothing(
    workspace: Workspace, api: APIClient, internal_api: APIClient, publish: Publish
) -> None:
    answer_always(workspace)
    article = publish(title="Goodwill", body=SECRET, audience="internal")
    asked = {"question": QUESTION, "audience": "internal"}
    assert api.post(RETRIEVE, asked).json()["hits"] == []
    [hit] = internal_api.post(RETRIEVE, asked).json()["hits"]
    assert hit["article_id"] == article.pk
    assert internal_api.post(RETRIEVE, {**asked, "audience": "public"}).json()["hits"] == []
