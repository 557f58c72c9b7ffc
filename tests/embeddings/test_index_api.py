"""`/api/v1/index-versions/`: what is told, and to whom."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from embeddings.models import (
    VersionState,
)
from kb.models import Audience, Workspace
from tests.embeddings.index_api import VERSIONS, at, client, furnished, park, post
from tests.embeddings.versions import allowed, fresh, put_in, ready, start
from tests.factories import live, make_article, make_workspace


@pytest.fixture
def workspace(db: None) -> Workspace:  # noqa: ARG001 - needs the database
    """With three articles and a worker."""
    return furnished()


@pytest.fixture
def api(workspace: Workspace) -> APIClient:
    """Of an operator's program."""
    return client(workspace, "index:operate")


class TestReading:
    def test_a_list_has_counts_and_the_newest_first(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        version = ready(workspace)
        park(version, "Article 1")
        listed = api.get(VERSIONS).json()
        assert [each["number"] for each in listed["results"]] == [2, 1]
        newest = listed["results"][0]
        assert (newest["state"], newest["encoder"], newest["dimension"]) == (
            "ready", "hash-wide", 128,
        )  # fmt: skip
        assert newest["counts"] == {
            "total": 3, "done": 2, "pending": 0, "embedding": 0, "parked": 1,
        }  # fmt: skip

    def test_a_version_tells_progress_moves_verdict_and_events(self, workspace: Workspace) -> None:
        api = client(workspace, "index:read", "traces:read", "internal")
        version = ready(workspace)
        allowed(version, live(workspace), yes=False)
        told = api.get(at(version)).json()
        assert (told["progress"]["done"], told["progress"]["percent"]) == (3, 100.0)
        assert told["progress"]["waiting_kind"] == "refused"
        assert set(told["moves"]) == {"cancel", "cut_over", "retire"}
        assert told["verdict"]["allowed"] is False
        assert told["verdict"]["against"] == 1
        assert told["verdict"]["worst"][0]["question"] == "How do I get my money back?"
        assert [each["move"] for each in told["events"]] == ["finish", "start"]
        assert told["events"][1]["actor"] == "anna"
        assert told["events"][0]["details"]["embedded"] == 3

    def test_one_that_was_not_judged_has_no_verdict(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        told = api.get(at(live(workspace))).json()
        assert told["verdict"] is None
        assert told["estimate"] == {}
        assert told["moves"] == []

    def test_events_are_paged(self, workspace: Workspace, api: APIClient) -> None:
        version = start(workspace)
        for _ in range(3):
            post(api, at(version, "pause"), reason="a busy day")
            post(api, at(version, "resume"))
        told = api.get(at(version, "events") + "?page_size=2").json()
        assert (told["count"], len(told["results"])) == (7, 2)
        assert [each["move"] for each in told["results"]] == ["resume", "pause"]
        assert (told["results"][1]["reason"], told["results"][1]["actor"]) == (
            "a busy day", "API key ci",
        )  # fmt: skip

    def test_parked_articles_come_with_their_reasons(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        version = ready(workspace)
        park(version, "Article 2", "its text cannot be read")
        [told] = api.get(at(version, "parked")).json()["results"]
        assert (told["title"], told["reason"], told["attempts"], told["revision"]) == (
            "Article 2", "its text cannot be read", 3, 1,
        )  # fmt: skip

    def test_ten_versions_cost_as_many_queries_as_one(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert api.get(VERSIONS).status_code == 200
            return len(captured)

        queries()
        few = queries()
        for number in range(10):
            put_in(start(workspace), VersionState.CANCELLED)
            make_article(workspace, title=f"More {number}")
        assert api.get(VERSIONS).json()["count"] == 11
        assert queries() == few


class TestWhoMay:
    def test_reading_needs_one_scope_and_operating_the_other(self, workspace: Workspace) -> None:
        version = start(workspace)
        reader = client(workspace, "index:read")
        assert reader.get(VERSIONS).status_code == 200
        assert reader.get(at(version, "events")).status_code == 200
        for url in (VERSIONS, VERSIONS + "estimate/"):
            assert post(reader, url, 403, encoder="hash")["code"] == "forbidden"
        for action in ("pause", "resume", "cancel", "retry", "pace", "cut-over", "roll-back",
                       "retire"):  # fmt: skip
            post(reader, at(version, action), 403)
        post(reader, at(version, "shadow"), 403, share=0.5)
        assert fresh(version).state == VersionState.BUILDING

    @pytest.mark.parametrize("scope", ["chat", "articles:publish", "traces:read", "internal"])
    def test_other_scopes_open_nothing(self, workspace: Workspace, scope: str) -> None:
        other = client(workspace, scope)
        for url in (VERSIONS, at(live(workspace)), at(live(workspace), "parked")):
            assert other.get(url).status_code == 403
        assert APIClient().get(VERSIONS).status_code == 401

    def test_another_tenants_version_does_not_exist(self, workspace: Workspace) -> None:
        version = start(workspace)
        stranger = client(make_workspace("other"), "index:operate")
        assert [each["number"] for each in stranger.get(VERSIONS).json()["results"]] == [1]
        for url in (at(version), at(version, "events"), at(version, "parked")):
            response = stranger.get(url)
            assert (response.status_code, response.json()["code"]) == (404, "no_index_version")
            assert "acme" not in response.content.decode()
        for action in ("pause", "cancel", "cut-over", "roll-back", "retire", "pace", "retry"):
            post(stranger, at(version, action), 404)
        assert fresh(version).state == VersionState.BUILDING

    @pytest.mark.parametrize("more", [[], ["traces:read"], ["internal"], ["chat", "retrieve"]])
    def test_questions_of_a_verdict_are_not_told_to_every_key(
        self, workspace: Workspace, more: list[str]
    ) -> None:
        version = ready(workspace)
        allowed(version, live(workspace), yes=False)
        key = client(workspace, "index:operate", *more)
        told = key.get(at(version)).json()
        assert (told["verdict"]["allowed"], told["verdict"]["worst"]) == (False, [])
        refused = post(key, at(version, "cut-over"), 409)
        assert (refused["code"], refused["worst"]) == ("gate_refused", [])
        for said in (told, refused):
            assert "money back" not in str(said)

    def test_internal_articles_are_named_only_to_who_may_see_them(
        self, workspace: Workspace
    ) -> None:
        make_article(workspace, title="Zanzibar", audience=Audience.INTERNAL)
        version = ready(workspace)
        allowed(version, live(workspace))
        park(version, "Zanzibar")
        outside = client(workspace, "index:operate")
        inside = client(workspace, "index:operate", "internal")
        for url in (at(version), at(version, "parked")):
            assert "Zanzibar" in inside.get(url).content.decode()
            assert "Zanzibar" not in outside.get(url).content.decode()
        assert "Zanzibar" in post(inside, at(version, "cut-over"), 409)["detail"]
        refused = post(outside, at(version, "cut-over"), 409)
        assert refused["code"] == "needs_waiver"
        assert "Zanzibar" not in str(refused)


def test_the_schema_says_what_is_sent_and_told(api: APIClient) -> None:
    schema = api.get("/api/schema/?format=json").json()
    paths = {path.removeprefix(VERSIONS) for path in schema["paths"] if path.startswith(VERSIONS)}
    actions = {
        "pause", "resume", "cancel", "retry", "pace", "shadow", "cut-over", "roll-back", "retire",
        "events", "parked",
    }  # fmt: skip
    assert paths == {"", "estimate/", "{number}/", *(f"{{number}}/{each}/" for each in actions)}
    parts = schema["components"]["schemas"]
    assert set(parts["CutOverInputRequest"]["properties"]) == {"override", "waiver"}
    assert parts["StartInputRequest"]["required"] == ["encoder"]
    assert parts["IndexVersion"]["properties"]["progress"]["allOf"][0]["$ref"].endswith("/Progress")
    events = schema["paths"][f"{VERSIONS}{{number}}/events/"]["get"]
    answer = events["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["$ref"].endswith("/PaginatedVersionEventList")
    assert "201" in schema["paths"][VERSIONS]["post"]["responses"]
