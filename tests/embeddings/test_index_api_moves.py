"""`/api/v1/index-versions/`: started, steered, cut over to, and refused in which way."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from embeddings.api import views
from embeddings.filling.loop import embed_pending
from embeddings.live import live_version
from embeddings.models import ServingProcess
from kb.models import Workspace
from tests.embeddings.index_api import VERSIONS, at, client, furnished, park, post
from tests.embeddings.versions import allowed, fresh, last_event, ready, start
from tests.factories import live, make_article


@pytest.fixture
def workspace(db: None) -> Workspace:  # noqa: ARG001 - needs the database
    """With three articles and a worker."""
    return furnished()


@pytest.fixture
def api(workspace: Workspace) -> APIClient:
    """Of an operator's program."""
    return client(workspace, "index:operate")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not ready is refused at once."""
    monkeypatch.setattr(views, "REQUEST_PATIENCE", 0.0)


class TestStarting:
    def test_an_estimate_starts_nothing(self, workspace: Workspace, api: APIClient) -> None:
        told = post(api, VERSIONS + "estimate/", encoder="hash-wide")
        assert (told["articles"], told["dimension"], told["same_as"]) == (3, 128, None)
        assert told["tokens"] > 0
        assert post(api, VERSIONS + "estimate/", encoder="hash")["same_as"] == 1
        assert workspace.index_versions.count() == 1

    def test_it_is_started_with_its_pace_and_estimate(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        pace = {"tokens_per_second": 500, "night_from": "22:00", "night_until": "06:00"}
        told = post(
            api, VERSIONS, 201, encoder="hash-wide", pace=pace, cut_over=True, estimate=True,
            reason="longer vectors",
        )  # fmt: skip
        assert (told["number"], told["state"], told["cut_over_when_ready"]) == (2, "building", True)
        assert (told["tokens_per_second"], told["night_from"]) == (500, "22:00:00")
        assert told["estimate"]["articles"] == 3
        assert told["progress"]["pending"] == 3
        event = last_event(workspace.index_versions.get(number=2))
        assert (event.actor, event.reason) == ("API key ci", "longer vectors")

    def test_another_strategy_is_another_version(self, api: APIClient) -> None:
        told = post(api, VERSIONS, 201, encoder="hash-wide", strategy="chunks")
        assert (told["strategy"], told["encoder"]) == ("chunks", "hash-wide@chunks")

    @pytest.mark.parametrize(
        ("given", "status", "code"),
        [
            ({"encoder": "hash"}, 409, "same_index"),
            ({"encoder": "nope"}, 400, "unknown_encoder"),
            ({}, 400, "invalid"),
            ({"encoder": "hash-wide", "strategy": "nope"}, 400, "invalid"),
            ({"encoder": "hash-wide", "pace": {"tokens_per_second": 0}}, 400, "invalid"),
            ({"encoder": "hash-wide", "pace": {"night_from": "22:00"}}, 400, "invalid"),
        ],
    )
    def test_what_is_refused_makes_nothing(
        self,
        workspace: Workspace,
        api: APIClient,
        given: dict[str, Any],
        status: int,
        code: str,
    ) -> None:
        assert post(api, VERSIONS, status, **given)["code"] == code
        assert workspace.index_versions.count() == 1


class TestSteering:
    def test_it_is_paused_resumed_and_cancelled(self, workspace: Workspace, api: APIClient) -> None:
        version = start(workspace)
        assert post(api, at(version, "pause"), reason="lunch")["state"] == "paused"
        assert last_event(version).reason == "lunch"
        refused = post(api, at(version, "pause"), 409)
        assert refused["code"] == "move_refused"
        assert "is paused" in refused["detail"]
        assert post(api, at(version, "resume"))["state"] == "building"
        assert post(api, at(version, "cancel"), reason="wrong model")["state"] == "cancelled"
        assert post(api, at(version, "resume"), 409)["code"] == "move_refused"

    def test_parked_articles_are_retried(self, workspace: Workspace, api: APIClient) -> None:
        version = ready(workspace)
        park(version, "Article 0")
        told = post(api, at(version, "retry"))
        assert (told["progress"]["parked"], told["progress"]["pending"]) == (0, 1)

    def test_its_pace_is_changed_and_freed(self, workspace: Workspace, api: APIClient) -> None:
        version = start(workspace)
        told = post(api, at(version, "pace"), tokens_per_second=50)
        assert (told["tokens_per_second"], told["night_from"]) == (50, None)
        post(api, at(version, "pace"), 400, night_until="06:00")
        assert fresh(version).tokens_per_second == 50
        assert post(api, at(version, "pace"))["tokens_per_second"] is None

    def test_it_is_asked_beside_the_live_one(self, workspace: Workspace, api: APIClient) -> None:
        version = ready(workspace)
        assert post(api, at(version, "shadow"), share=0.25)["shadow_share"] == 0.25
        for share in (-0.1, 1.1, "much"):
            post(api, at(version, "shadow"), 400, share=share)
        assert fresh(version).shadow_share == 0.25
        assert post(api, at(version, "shadow"), share=0)["shadow_share"] == 0
        refused = post(api, at(live(workspace), "shadow"), 409, share=0.5)
        assert "ready or standby" in refused["detail"]


class TestCuttingOver:
    def test_the_gate_is_asked_first_and_names_the_worst_questions(
        self, workspace: Workspace
    ) -> None:
        api = client(workspace, "index:operate", "traces:read", "internal")
        version = ready(workspace)
        assert post(api, at(version, "cut-over"), 409) | {"detail": ""} == {
            "type": "about:blank", "status": 409, "code": "gate_refused", "detail": "", "worst": [],
        }  # fmt: skip
        allowed(version, live(workspace), yes=False)
        [worst] = post(api, at(version, "cut-over"), 409)["worst"]
        assert worst["question"] == "How do I get my money back?"
        assert live_version(workspace).number == 1
        told = post(api, at(version, "cut-over"), override="it finds more in German")
        assert told["state"] == "live"
        assert last_event(version).details["override"] == "it finds more in German"

    def test_parked_articles_need_a_waiver_and_waiting_does_not_help(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        version = ready(workspace)
        allowed(version, live(workspace))
        park(version, "Article 1")
        response = api.post(at(version, "cut-over"))
        assert (response.status_code, response.json()["code"]) == (409, "needs_waiver")
        assert "Retry-After" not in response
        assert post(api, at(version, "cut-over"), waiver="it is empty")["state"] == "live"
        assert last_event(version).details["waiver"] == "it is empty"

    def test_what_cannot_serve_yet_is_tried_again_later(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        version = ready(workspace)
        allowed(version, live(workspace))
        ServingProcess.objects.create(name="web-1", seen_at=timezone.now())
        response = api.post(at(version, "cut-over"))
        assert (response.status_code, response.json()["code"]) == (409, "not_ready_to_serve")
        assert int(response["Retry-After"]) > 0
        assert live_version(workspace).number == 1

    def test_a_request_is_not_held_for_as_long_as_a_command(
        self,
        workspace: Workspace,
        api: APIClient,
        monkeypatch: pytest.MonkeyPatch,
        settings: Settings,
    ) -> None:
        settings.CUT_OVER_PATIENCE = 60.0
        monkeypatch.setattr(views, "REQUEST_PATIENCE", 0.3)
        version = ready(workspace)
        allowed(version, live(workspace))
        ServingProcess.objects.create(name="web-1", seen_at=timezone.now())
        began = time.monotonic()
        post(api, at(version, "cut-over"), 409)
        assert 0.3 <= time.monotonic() - began < 10

    def test_it_is_rolled_back_and_the_other_retired(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        first, version = live(workspace), ready(workspace)
        post(api, at(first, "roll-back"), 409)
        allowed(version, first)
        post(api, at(version, "cut-over"))
        make_article(workspace, title="New")
        embed_pending(live(workspace))
        refused = post(api, at(first, "roll-back"), 409)
        assert refused["code"] == "not_ready_to_serve"
        told = post(api, at(first, "roll-back"), reason="worse in German", anyway=True)
        assert told["state"] == "live"
        assert last_event(first).reason == "worse in German"
        assert post(api, at(version, "retire"), 409)["code"] == "still_soaking"
        assert post(api, at(version, "retire"), now=True, reason="no")["state"] == "retired"

    def test_unknown_numbers_and_routes_are_not_found(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        assert api.get(f"{VERSIONS}77/").json()["code"] == "no_index_version"
        assert api.post(f"{VERSIONS}77/cut-over/").status_code == 404
        assert api.get(f"{VERSIONS}x/").status_code == 404
        assert api.delete(at(live(workspace))).status_code == 405

    def test_the_slash_at_the_end_may_be_left_out(
        self, workspace: Workspace, api: APIClient
    ) -> None:
        assert api.get(VERSIONS.rstrip("/")).json()["count"] == 1
        assert post(api, at(start(workspace), "pause").rstrip("/"))["state"] == "paused"
