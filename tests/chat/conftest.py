"""Fixtures of the chat tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from chat.models import RetrievalProfile
from embeddings.filling.loop import embed_pending
from kb.models import Article, Scope, Workspace
from kb.services import create_api_key
from tests.factories import live, make_article, make_workspace

ClientFor = Callable[..., APIClient]
Publish = Callable[..., Article]

PUBLIC_SCOPES = (Scope.RETRIEVE, Scope.CHAT, Scope.TRACES_READ)


@pytest.fixture
def workspace(db: None) -> Workspace:  # noqa: ARG001 - needs the database
    """A workspace with a live index of the hash encoder."""
    return make_workspace()


@pytest.fixture
def publish(workspace: Workspace) -> Publish:
    """Make a published article of `workspace` (or another) searchable."""

    def make(*, into: Workspace = workspace, embedded: bool = True, **given: Any) -> Article:
        article = make_article(into, **given)
        if embedded:
            embed_pending(live(into))
        return article

    return make


@pytest.fixture
def client_for() -> ClientFor:
    """An API client with a key of a workspace."""

    def make(workspace: Workspace, *scopes: str) -> APIClient:
        _, token = create_api_key(workspace, name="test", scopes=scopes or PUBLIC_SCOPES)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return make


@pytest.fixture
def api(workspace: Workspace, client_for: ClientFor) -> APIClient:
    """A client with every scope of questions but internal."""
    return client_for(workspace)


def answer_always(workspace: Workspace) -> None:
    """No doubt holds an answer back: for tests of what is answered, not of how sure."""
    threshold(workspace, 0.0)


def threshold(workspace: Workspace, abstain_below: float) -> None:
    """The workspace's default profile with this threshold."""
    RetrievalProfile.objects.update_or_create(
        workspace=workspace,
        name="test",
        defaults={"settings": {"abstain_below": abstain_below}, "is_default": True},
    )
