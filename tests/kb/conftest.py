"""Fixtures of the knowledge base tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from kb.models import Scope, Workspace
from kb.services import create_api_key
from tests.factories import make_workspace

ClientFor = Callable[..., APIClient]

ALL_PUBLIC_SCOPES = [scope for scope in Scope.values if scope != Scope.INTERNAL]


@pytest.fixture
def workspace(db: None) -> Workspace:  # noqa: ARG001 - needs the database
    """A workspace with a live index."""
    return make_workspace()


@pytest.fixture
def client_for() -> ClientFor:
    """An API client with a key of a workspace; every scope but internal unless named."""

    def make(workspace: Workspace, *scopes: str) -> APIClient:
        _, token = create_api_key(workspace, name="test", scopes=scopes or ALL_PUBLIC_SCOPES)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return make


@pytest.fixture
def api(workspace: Workspace, client_for: ClientFor) -> APIClient:
    """A client with every scope but internal."""
    return client_for(workspace)
