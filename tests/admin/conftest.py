"""People of two workspaces, signed in."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from kb.models import Membership, Workspace
from tests.factories import make_workspace

SignIn = Callable[..., Client]
_numbers = itertools.count(1)


@pytest.fixture
def workspace(db: None) -> Workspace:
    """Ours."""
    return make_workspace("ours")


@pytest.fixture
def foreign(db: None) -> Workspace:
    """Another tenant's."""
    return make_workspace("theirs")


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """A browser of a member of staff with a role in a workspace (or in none)."""

    def make(workspace: Workspace | None = None, role: str = "owner") -> Client:
        user = User.objects.create_user(f"person-{next(_numbers)}", is_staff=True)
        if workspace is not None:
            Membership.objects.create(workspace=workspace, user=user, role=role)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def root(db: None) -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client
