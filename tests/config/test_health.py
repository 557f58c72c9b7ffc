"""Health: ready as long as questions can be answered, with what is wrong said aloud."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from embeddings.heartbeat import beat, forget_silent_workers
from embeddings.models import IndexEntry, IndexVersion, WorkerHeartbeat
from embeddings.services.entries import ensure_entries
from tests.factories import live, make_article, make_workspace

pytestmark = pytest.mark.django_db


def test_alive_needs_nothing(client: Client) -> None:
    assert client.get("/health/live").json() == {"status": "alive"}


def test_ready_with_a_live_index_redis_and_a_worker(client: Client) -> None:
    make_workspace()
    beat("w1@host")
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["last_worker_heartbeat"]


def test_no_live_index_is_not_ready_and_says_what_to_do(client: Client) -> None:
    make_workspace()
    IndexVersion.objects.update(state="standby")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "create_workspace" in answer.json()["reasons"][0]


def test_silent_workers_and_pending_articles_are_degraded(client: Client) -> None:
    workspace = make_workspace()
    make_article(workspace)
    ensure_entries(live(workspace), bulk=True)
    WorkerHeartbeat.objects.create(worker="w", seen_at=timezone.now() - timedelta(minutes=5))
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["pending"]) == ("degraded", 1)
    assert "No worker" in " ".join(answer.json()["reasons"])


def test_workers_not_heard_of_for_a_day_are_forgotten() -> None:
    WorkerHeartbeat.objects.create(worker="old", seen_at=timezone.now() - timedelta(days=2))
    beat("new")
    forget_silent_workers()
    assert [row.worker for row in WorkerHeartbeat.objects.all()] == ["new"]


def test_metrics_count_the_rows_and_are_closed_to_strangers(
    client: Client,
) -> None:
    workspace = make_workspace()
    make_article(workspace)
    make_article(workspace, title="Searchable")
    ensure_entries(live(workspace), bulk=True)
    IndexEntry.objects.filter(revision__title="Searchable").update(
        state="embedded",
        queued_at=timezone.now() - timedelta(seconds=8),
        embedded_at=timezone.now(),
    )
    figures = client.get("/metrics").content.decode()
    assert 'unabridged_index_entries{state="pending"} 1.0' in figures
    assert 'unabridged_edit_to_searchable_seconds{quantile="0.5"} 8.' in figures
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.9").status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.9"}).status_code == 403


def test_unknown_routes_are_problems_below_api_and_pages_elsewhere(client: Client) -> None:
    assert client.get("/api/v1/nowhere/")["Content-Type"] == "application/problem+json"
    assert client.get("/nowhere/")["Content-Type"].startswith("text/html")


def test_schema_and_its_pages_are_served_without_a_key(client: Client) -> None:
    assert client.get("/api/docs/").status_code == 200
    schema = client.get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert "/api/v1/articles/" in schema["paths"]
    assert schema["paths"]["/api/v1/articles/"]["get"]["security"] == [{"apiKey": []}]
