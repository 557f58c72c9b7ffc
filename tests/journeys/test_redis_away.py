"""With Redis stopped, questions are answered and articles saved; nothing is lost for it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from kb.models import Workspace
from kb.services import create_api_key
from tests.embedded import session_servers
from tests.factories import make_article
from tests.journeys.processes import Fleet, free_port, wait_for, wait_until_alive

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SCOPES = ["articles:write", "articles:publish", "retrieve", "chat"]
QUESTION = "How long does a refund take?"


@pytest.fixture
def client(fleet: Fleet, workspace: Workspace) -> Iterator[httpx.Client]:
    """A key's client of a running web server."""
    port = free_port()
    fleet.web(port)
    _, token = create_api_key(workspace, name="journey", scopes=SCOPES)
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{port}"
    wait_until_alive(url)
    with httpx.Client(base_url=url, headers=headers, timeout=30) as made:
        yield made


def freshness(client: httpx.Client, article_id: int) -> str:
    """The state that the API tells."""
    state: str = client.get(f"/api/v1/articles/{article_id}/freshness/").json()["state"]
    return state


def test_redis_may_stop_and_come_back_with_no_hand_moved(
    fleet: Fleet, workspace: Workspace, client: httpx.Client
) -> None:
    first = make_article(workspace, title="Refunds", body="A refund takes five working days.")
    fleet.beat()
    fleet.worker()
    wait_for(lambda: freshness(client, first.pk) == "searchable", seconds=60, what="first article")
    redis = session_servers().redis
    redis.stop()
    try:
        found = client.post("/api/v1/retrieve", json={"question": QUESTION})
        assert found.status_code == 200
        assert "five working days" in found.text
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        saved = client.post(
            "/api/v1/articles/",
            json={"title": "Gift cards", "body": "A gift card is valid for 36 months."}
            | {"publish": True},
        )
        assert saved.status_code == 201
        assert freshness(client, saved.json()["id"]) == "pending"
        at_once = client.post("/api/v1/retrieve", json={"question": "is a gift card valid"})
        assert "36 months" in at_once.text, "found by its words before it is embedded"
    finally:
        redis.start()
    seconds = wait_for(
        lambda: freshness(client, saved.json()["id"]) == "searchable",
        seconds=120,
        what="what was saved meanwhile becomes searchable",
    )
    assert seconds < 120
    assert client.get("/health/ready").json()["redis"] is True
