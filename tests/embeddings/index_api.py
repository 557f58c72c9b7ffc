"""Ways to the API of index versions."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from embeddings.models import EntryState, IndexEntry, IndexVersion, WorkerHeartbeat
from kb.models import Workspace
from kb.services import create_api_key
from tests.factories import make_article, make_workspace

VERSIONS = "/api/v1/index-versions/"


def furnished() -> Workspace:
    """With three articles and a worker."""
    WorkerHeartbeat.objects.create(worker="w", seen_at=timezone.now())
    made = make_workspace("acme")
    for number in range(3):
        make_article(made, title=f"Article {number}", body="Some words to be found. " * 3)
    return made


def client(workspace: Workspace, *scopes: str) -> APIClient:
    """With a key of these scopes."""
    _, token = create_api_key(workspace, name="ci", scopes=scopes)
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return made


def at(version: IndexVersion, action: str = "") -> str:
    """A route of a version."""
    return f"{VERSIONS}{version.number}/{action + '/' if action else ''}"


def park(version: IndexVersion, title: str, reason: str = "too odd") -> None:
    """As if its article could not be embedded."""
    entries = IndexEntry.objects.filter(index_version=version, revision__title=title)
    assert entries.update(state=EntryState.PARKED, reason=reason, attempts=3) == 1


def post(api: APIClient, url: str, status: int = 200, **given: Any) -> dict[str, Any]:
    """What is answered; errors are problem details."""
    response = api.post(url, given)
    assert response.status_code == status, response.content
    told: dict[str, Any] = response.json()
    if status >= 400:
        assert response["Content-Type"] == "application/problem+json"
        assert told["status"] == status
    return told
