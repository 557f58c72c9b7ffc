"""Brings the sample knowledge base, an administrator and a key into the database."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

from embeddings.waiting import Progress, wait_until_searchable
from kb.importing import import_articles, read_items
from kb.models import ApiKey, Membership, Role, Scope, Workspace
from kb.services import create_api_key, create_workspace, revoke_api_key

SLUG = "fernway"
ARTICLES = Path(__file__).resolve().parent.parent.parent / "kb" / "sample" / "articles"
KEY_NAME = "demo"
KEY_SCOPES = (Scope.ARTICLES_READ, Scope.RETRIEVE, Scope.CHAT, Scope.TRACES_READ)
WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the demo prints once; a new password and key at each run."""

    username: str
    password: str
    token: str


def load_sample(on_progress: Callable[[Progress], None]) -> Workspace:
    """Import, publish and wait until all is searchable; nothing is done twice.

    Raises DomainError.
    """
    workspace = Workspace.objects.filter(slug=SLUG).first()
    if workspace is None:
        workspace = create_workspace(slug=SLUG, name="Fernway help centre")
    import_articles(workspace, read_items(ARTICLES), publish=True)
    wait_until_searchable(workspace, timeout=WAIT_SECONDS, on_progress=on_progress)
    return workspace


@transaction.atomic
def issue_credentials(workspace: Workspace) -> Credentials:
    """The demo's administrator with a fresh password, and a fresh key (older ones revoked)."""
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(
        username="admin", defaults={"is_staff": True, "is_superuser": True}
    )
    user.set_password(password)
    user.save()
    Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": Role.OWNER})
    for key in ApiKey.objects.filter(workspace=workspace, name=KEY_NAME, revoked_at=None):
        revoke_api_key(key)
    _, token = create_api_key(workspace, name=KEY_NAME, scopes=list(KEY_SCOPES))
    return Credentials(username=user.get_username(), password=password, token=token)
