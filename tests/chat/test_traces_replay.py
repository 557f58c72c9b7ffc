"""A trace asked again, here and elsewhere, and what came out otherwise."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from chat.answering.answer import answer_question
from chat.models import RetrievalProfile, Trace
from chat.retrieval.conversation import Turn
from chat.services.traces import replay_trace
from chat.tracing.diff import TraceDiff, diff_traces
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, VersionState
from embeddings.services.entries import ensure_entries
from embeddings.services.versions import create_index_version
from kb.access import caller_for_system
from kb.models import Collection, Scope, Workspace
from kb.search import Filters
from kb.services import unpublish_article
from tests.chat.conftest import PUBLIC_SCOPES, ClientFor, Publish, answer_always
from tests.chat.test_curated import curate
from tests.factories import make_workspace

QUESTION = "how long does a refund take"
TRACES = "/api/v1/traces/"


@pytest.fixture
def articles(workspace: Workspace, publish: Publish) -> list[int]:
    """Three published articles, the first of which answers."""
    answer_always(workspace)
    texts = {
        "Refunds": "A refund takes five days. Weekends do not count.",
        "Hours": "We open at nine and take our time.",
        "Shipping": "Parcels take three days.",
    }
    return [publish(title=title, body=body).pk for title, body in texts.items()]


@pytest.fixture
def trace(workspace: Workspace, articles: list[int]) -> Trace:  # noqa: ARG001 - to be found
    """One answered question."""
    return Trace.objects.get(pk=answer_question(QUESTION, workspace=workspace).trace_id)


def replay(trace: Trace, **given: Any) -> Trace:
    return replay_trace(caller_for_system(trace.workspace), trace, **given)


def second_version(workspace: Workspace, state: str = "ready") -> IndexVersion:
    """The workspace's articles as another encoder sees them."""
    version = create_index_version(workspace, encoder="hash-wide", state=VersionState(state))
    ensure_entries(version, bulk=False)
    embed_pending(version)
    return version


def change_of(diff: TraceDiff, article: int) -> str:
    return next(each.change for each in diff.articles if each.article_id == article)


def names(pairs: Any) -> set[str]:
    return {pair.name for pair in pairs}


def test_replay_is_a_new_trace_that_finds_the_same(trace: Trace) -> None:
    again = replay(trace)
    assert again.pk != trace.pk
    assert again.replay_of_id == trace.pk
    assert (again.question, again.answer) == (trace.question, trace.answer)
    diff = diff_traces(trace, again)
    assert diff.rankings_same
    assert {each.change for each in diff.context} == {"same"}
    assert not any(pair.changed for pair in diff.answer)
    assert diff.index == diff.settings == ()
    assert names(diff.timings) >= {"encode", "total", "generate"}


def test_replay_keeps_the_settings_the_trace_had(workspace: Workspace, trace: Trace) -> None:
    RetrievalProfile.objects.filter(workspace=workspace).update(settings={"abstain_below": 1.0})
    assert replay(trace).abstained is False
    named = replay(trace, profile="test")
    assert named.abstained is True
    diff = diff_traces(trace, named)
    assert names(diff.settings) == {"abstain_below"}
    changed = {pair.name: (pair.old, pair.new) for pair in diff.answer if pair.changed}
    assert changed["abstained"] == (False, True)
    assert changed["cited"][1] == []


@pytest.mark.parametrize("language", ["de", ""])
def test_replay_asks_in_the_visitors_language(
    workspace: Workspace, articles: list[int], language: str
) -> None:
    """An approved answer in English does not make the visitor one who speaks it."""
    assert articles
    curated = curate(workspace, QUESTION, language="en")
    asked = answer_question(QUESTION, workspace=workspace, language=language)
    assert asked.answer.language == "en"
    curated.delete()
    again = replay(replay(asked.trace))
    assert again.detail["question"]["language"] == language
    assert again.detail["answer"]["language"] == (language or "en")


def test_replay_of_a_trace_of_before_languages_were_kept_takes_the_answers(
    workspace: Workspace, articles: list[int]
) -> None:
    assert articles
    old = answer_question(QUESTION, workspace=workspace, language="de").trace
    del old.detail["question"]["language"]
    old.save()
    assert replay(old).detail["answer"]["language"] == "de"


def test_replay_on_another_version(workspace: Workspace, trace: Trace) -> None:
    version = second_version(workspace)
    again = replay(trace, version=2)
    assert again.index_version_id == version.pk
    diff = diff_traces(trace, again)
    assert {"version", "encoder", "fingerprint"} == names(diff.index)
    moved = {pair.name for each in diff.articles for pair in each.legs if pair.changed}
    # Words of whole articles are relative to the average when they were stored.
    assert {"passage", "article"} <= moved <= {"passage", "article", "article_words"}


def test_replay_after_the_version_is_retired_asks_the_live_one(
    workspace: Workspace, trace: Trace
) -> None:
    IndexVersion.objects.filter(pk=trace.index_version_id).update(state="retired")
    version = second_version(workspace, "live")
    assert replay(trace).index_version_id == version.pk


def test_replay_shows_what_was_unpublished_meanwhile(
    workspace: Workspace, trace: Trace, articles: list[int], publish: Publish
) -> None:
    unpublish_article(workspace.articles.get(pk=articles[0]))
    new = publish(title="Refund times", body="A refund takes two days.").pk
    diff = diff_traces(trace, replay(trace))
    assert not diff.rankings_same
    assert change_of(diff, articles[0]) == "gone"
    assert change_of(diff, new) == "new"
    assert diff.articles[-1].article_id == articles[0]
    gone = diff.articles[-1]
    assert (gone.rank.old, gone.rank.new, gone.score.new) == (1, None, None)
    assert {"new", "gone"} <= {each.change for each in diff.context}


def test_moves_are_told_apart(workspace: Workspace) -> None:
    def ranked(*articles: int) -> Trace:
        fused = [{"article_id": each, "revision_id": each, "score": 1.0} for each in articles]
        return Trace(workspace=workspace, detail={"fused": fused})

    diff = diff_traces(ranked(1, 2, 3, 4), ranked(1, 3, 2, 5))
    found = {each.article_id: each.change for each in diff.articles}
    assert found == {1: "same", 3: "up", 2: "down", 5: "new", 4: "gone"}


def test_old_and_broken_traces_can_be_compared(workspace: Workspace, trace: Trace) -> None:
    details: list[Any] = [{}, [], {"fused": None, "context": "?", "answer": None}]
    for detail in details:
        broken = Trace(workspace=workspace, detail=detail)
        assert diff_traces(broken, trace).articles
        assert not diff_traces(trace, broken).rankings_same


def test_replay_asks_with_the_same_history_filters_and_reader(
    workspace: Workspace, publish: Publish
) -> None:
    answer_always(workspace)
    shelf = Collection.objects.create(workspace=workspace, name="Money", slug="money")
    inside = publish(title="Playbook", body="A refund limit is fifty.", audience="internal")
    inside.collection = shelf
    inside.save()
    publish(title="Refunds", body="A refund takes five days.")
    made = answer_question(
        "what is the limit",
        workspace=workspace,
        include_internal=True,
        history=[Turn(role="visitor", text="I want a refund")],
        filters=Filters(collections=("money",)),
        language="de",
    )
    again = replay(Trace.objects.get(pk=made.trace_id))
    assert again.include_internal is True
    assert again.detail["question"]["history"] == [{"role": "visitor", "text": "I want a refund"}]
    assert again.detail["scope"]["filters"] == {"collections": ["money"]}
    assert [each["article_id"] for each in again.detail["fused"]] == [inside.pk]
    assert again.detail["answer"]["language"] == "de"


def test_traces_of_older_form_can_be_replayed(trace: Trace) -> None:
    trace.detail = {
        "question": {"text": QUESTION, "parts": [QUESTION]},
        "settings": {"name": "test", "abstain_below": 0.0, "long_gone": 1},
        "scope": {"include_internal": False, "collections": [], "languages": ["en"], "tags": []},
    }
    trace.save()
    assert replay(trace).detail["scope"]["filters"] == {"languages": ["en"]}


def test_retrieval_alone_is_replayed_as_such(api: APIClient, articles: list[int]) -> None:
    made = api.post("/api/v1/retrieve", {"question": QUESTION}).json()["trace_id"]
    response = api.post(f"{TRACES}{made}/replay/")
    assert response.status_code == 201, response.content
    assert (response.json()["abstained"], response.json()["replay_of"]) == (None, made)
    assert response.json()["detail"]["fused"][0]["article_id"] == articles[0]


def test_replay_and_diff_over_http(api: APIClient, workspace: Workspace, trace: Trace) -> None:
    second_version(workspace)
    response = api.post(f"{TRACES}{trace.pk}/replay/", {"profile": "default", "version": 2})
    assert response.status_code == 201, response.content
    again = response.json()
    assert (again["profile"], again["replay_of"]) == ("default", str(trace.pk))
    diff = api.get(f"{TRACES}{trace.pk}/diff/", {"with": again["id"]}).json()
    assert {"version", "encoder", "fingerprint", "profile"} == {p["name"] for p in diff["index"]}
    assert diff["articles"][0]["rank"] == {"name": "rank", "old": 1.0, "new": 1.0}
    assert {leg["name"] for leg in diff["articles"][0]["legs"]} >= {"passage", "article_words"}
    assert api.get(f"{TRACES}?replay_of={trace.pk}").json()["results"][0]["id"] == again["id"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_route_with_and_without_slash(api: APIClient, trace: Trace, slash: str) -> None:
    assert api.get(f"/api/v1/traces{slash}").status_code == 200
    assert api.get(f"{TRACES}{trace.pk}{slash}").status_code == 200
    assert api.post(f"{TRACES}{trace.pk}/replay{slash}").status_code == 201
    assert api.get(f"{TRACES}{trace.pk}/diff{slash}?with={trace.pk}").status_code == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"profile": "nope"}, 404),
        ({"version": 9}, 404),
        ({"version": 0}, 400),
        ({"profile": "not a slug"}, 400),
        ({"version": "x"}, 400),
    ],
)
def test_bad_replays_are_refused(
    api: APIClient, trace: Trace, given: dict[str, Any], status: int
) -> None:
    assert api.post(f"{TRACES}{trace.pk}/replay/", given).status_code == status
    assert Trace.objects.count() == 1


def test_retired_and_foreign_versions_cannot_be_asked(
    api: APIClient, workspace: Workspace, trace: Trace
) -> None:
    second_version(workspace, "retired")
    assert api.post(f"{TRACES}{trace.pk}/replay/", {"version": 2}).status_code == 404
    IndexVersion.objects.filter(workspace=make_workspace()).update(number=7)
    assert api.post(f"{TRACES}{trace.pk}/replay/", {"version": 7}).status_code == 404


@pytest.mark.parametrize("other", ["", "?with=", "?with=x", f"?with={uuid.UUID(int=0)}"])
def test_bad_comparisons_are_refused(api: APIClient, trace: Trace, other: str) -> None:
    assert api.get(f"{TRACES}{trace.pk}/diff/{other}").status_code in {400, 404}


def test_replay_needs_both_scopes(
    client_for: ClientFor, workspace: Workspace, trace: Trace
) -> None:
    readers = client_for(workspace, Scope.TRACES_READ)
    assert readers.get(f"{TRACES}{trace.pk}/").status_code == 200
    assert readers.post(f"{TRACES}{trace.pk}/replay/").status_code == 403
    askers = client_for(workspace, Scope.RETRIEVE, Scope.CHAT)
    for path in ("", f"{trace.pk}/", f"{trace.pk}/diff/?with={trace.pk}"):
        assert askers.get(f"{TRACES}{path}").status_code == 403
    assert askers.post(f"{TRACES}{trace.pk}/replay/").status_code == 403
    assert APIClient().get(TRACES).status_code == 401
    assert Trace.objects.count() == 1


def test_traces_of_others_do_not_exist(
    client_for: ClientFor, workspace: Workspace, trace: Trace
) -> None:
    other = make_workspace()
    theirs = client_for(other, *Scope.values)
    own = Trace.objects.create(
        workspace=other, question="q", index_version_id=1, profile="p", detail={}
    )
    assert [each["id"] for each in theirs.get(TRACES).json()["results"]] == [str(own.pk)]
    assert theirs.post(f"{TRACES}{trace.pk}/replay/").status_code == 404
    assert theirs.get(f"{TRACES}{trace.pk}/diff/?with={own.pk}").status_code == 404
    assert theirs.get(f"{TRACES}{own.pk}/diff/?with={trace.pk}").status_code == 404
    ours = client_for(workspace)
    assert ours.get(f"{TRACES}{trace.pk}/diff/?with={own.pk}").status_code == 404


def test_internal_traces_only_for_who_may_see_them(
    client_for: ClientFor, workspace: Workspace, trace: Trace
) -> None:
    Trace.objects.filter(pk=trace.pk).update(include_internal=True)
    public = client_for(workspace)
    inside = client_for(workspace, *PUBLIC_SCOPES, Scope.INTERNAL)
    assert public.get(TRACES).json()["results"] == []
    assert public.post(f"{TRACES}{trace.pk}/replay/").status_code == 404
    assert public.get(f"{TRACES}{trace.pk}/diff/?with={trace.pk}").status_code == 404
    assert len(inside.get(TRACES).json()["results"]) == 1
    assert inside.post(f"{TRACES}{trace.pk}/replay/").status_code == 201


@pytest.mark.usefixtures("articles")
def test_list_narrows_and_turns_pages(api: APIClient, workspace: Workspace) -> None:
    for number in range(5):
        answer_question(f"refund number {number}", workspace=workspace)
    Trace.objects.filter(question="refund number 0").update(
        abstained=True, created_at="2020-01-01T00:00:00Z"
    )
    first = api.get(TRACES, {"page_size": 2}).json()
    assert [each["question"] for each in first["results"]] == ["refund number 4", "refund number 3"]
    assert "detail" not in first["results"][0]
    second = api.get(first["next"]).json()
    assert second["results"][0]["question"] == "refund number 2"

    def found(**given: str | bool) -> int:
        return len(api.get(TRACES, given).json()["results"])

    assert found(abstained=True) == 1
    assert found(abstained=False) == 4
    assert found(since="2021-01-01T00:00:00Z") == 4
    assert found(until="2021-01-01T00:00:00Z") == 1
    assert found(text="NUMBER 3") == 1
    assert found(text="%") == 0
    assert found(profile="default") == 0
    assert api.get(TRACES, {"since": "yesterday"}).status_code == 400


@pytest.mark.usefixtures("trace")
def test_list_costs_the_same_at_one_trace_and_at_ten(api: APIClient, workspace: Workspace) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            api.get(TRACES)
        return len(captured)

    queries()  # the key's first use is written down
    at_one = queries()
    for _ in range(9):
        answer_question(QUESTION, workspace=workspace)
    assert queries() == at_one


def test_schema_names_each_route_once(api: APIClient) -> None:
    schema = api.get("/api/schema/?format=json").json()
    routes = {path for path in schema["paths"] if "/traces" in path}
    assert routes == {
        "/api/v1/traces/",
        "/api/v1/traces/{trace_id}/",
        "/api/v1/traces/{trace_id}/replay/",
        "/api/v1/traces/{trace_id}/diff/",
    }
    [parameter] = [
        each
        for each in schema["paths"]["/api/v1/traces/{trace_id}/diff/"]["get"]["parameters"]
        if each["in"] == "query"
    ]
    assert (parameter["name"], parameter["required"]) == ("with", True)
