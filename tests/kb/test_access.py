"""Who may do what, as a table and at the doors."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User

from kb.access import (
    ROLE_PERMISSIONS,
    SCOPE_PERMISSIONS,
    Permission,
    access_article,
    access_revision,
    access_workspace,
    caller_for_key,
    caller_for_member,
    caller_for_system,
    require,
    workspaces_of,
)
from kb.errors import Forbidden, NotFound
from kb.models import Membership, Role, Scope, Workspace
from kb.services import create_api_key
from tests.factories import add_revision, make_article, make_workspace

READ, WRITE, PUBLISH = (
    Permission.ARTICLES_READ,
    Permission.ARTICLES_WRITE,
    Permission.ARTICLES_PUBLISH,
)
MAY = {
    Role.OWNER: set(Permission),
    Role.EDITOR: {WRITE},
    Role.REVIEWER: {WRITE, PUBLISH, Permission.ANSWERS_WRITE, Permission.EVALUATE},
    Role.OPERATOR: {
        Permission.INDEX_OPERATE,
        Permission.CONVERSATIONS_READ,
        Permission.TRACES_READ,
        Permission.EVALUATE,
    },
    Role.ANALYST: {
        Permission.CONVERSATIONS_READ,
        Permission.TRACES_READ,
        Permission.EVALUATE,
    },
}
EVERY_ROLE = {READ, Permission.RETRIEVE, Permission.CHAT, Permission.INDEX_READ}


def member(workspace: Workspace, role: str) -> User:
    """A person with a role."""
    user = User.objects.create_user(f"{role}-{workspace.slug}")
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return user


@pytest.mark.parametrize("role", Role.values)
def test_role_opens_its_permissions_and_no_more(workspace: Workspace, role: str) -> None:
    caller = caller_for_member(member(workspace, role), workspace)
    assert caller.permissions == MAY[Role(role)] | EVERY_ROLE
    assert caller.include_internal


def test_every_role_and_scope_is_in_the_tables() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role.values)
    assert set(SCOPE_PERMISSIONS) == set(Scope.values)


def test_no_key_manages_a_workspace_and_one_scope_operates_the_index() -> None:
    opened = frozenset[Permission]().union(*SCOPE_PERMISSIONS.values())
    assert Permission.WORKSPACE_MANAGE not in opened
    operating = [
        scope for scope, may in SCOPE_PERMISSIONS.items() if Permission.INDEX_OPERATE in may
    ]
    assert operating == [Scope.INDEX_OPERATE]


def test_who_is_no_member_finds_no_workspace(workspace: Workspace) -> None:
    stranger = member(make_workspace(), Role.OWNER)
    with pytest.raises(NotFound):
        caller_for_member(stranger, workspace)
    with pytest.raises(NotFound):
        access_workspace(stranger, workspace.slug, READ)
    assert workspace not in workspaces_of(stranger, READ)
    assert not workspaces_of(AnonymousUser(), READ).exists()


def test_workspaces_are_those_where_the_role_allows_it(workspace: Workspace) -> None:
    editor = member(workspace, Role.EDITOR)
    assert list(workspaces_of(editor, WRITE)) == [workspace]
    assert not workspaces_of(editor, PUBLISH).exists()
    assert access_workspace(editor, workspace.slug, WRITE) == workspace


def test_superuser_is_everywhere_until_deactivated(workspace: Workspace) -> None:
    root = User.objects.create_superuser("root")
    make_workspace()
    assert workspaces_of(root, WRITE).count() == 2
    assert caller_for_member(root, workspace).permissions == frozenset(Permission)
    root.is_active = False
    assert not workspaces_of(root, WRITE).exists()
    with pytest.raises(NotFound):
        caller_for_member(root, workspace)


def test_deactivated_member_finds_nothing(workspace: Workspace) -> None:
    owner = member(workspace, Role.OWNER)
    owner.is_active = False
    assert not workspaces_of(owner, READ).exists()
    with pytest.raises(NotFound):
        caller_for_member(owner, workspace)


def test_missing_permission_is_forbidden_before_anything_is_looked_up(
    workspace: Workspace,
) -> None:
    caller = caller_for_member(member(workspace, Role.ANALYST), workspace)
    with pytest.raises(Forbidden, match="write articles"):
        access_article(caller, make_article(workspace).pk, WRITE)
    with pytest.raises(Forbidden):
        access_article(caller, 0, WRITE)
    with pytest.raises(Forbidden):
        require(caller, PUBLISH)


def test_row_of_another_tenant_does_not_exist_even_for_the_system(workspace: Workspace) -> None:
    foreign = make_article(make_workspace())
    caller = caller_for_system(workspace)
    with pytest.raises(NotFound):
        access_article(caller, foreign.pk, READ)
    with pytest.raises(NotFound):
        access_revision(caller, foreign.pk, 1, READ)


def test_internal_text_needs_the_internal_scope(workspace: Workspace) -> None:
    article = make_article(workspace, audience="internal")
    add_revision(article, body="Public.", audience="public")
    outsider, insider = (
        caller_for_key(create_api_key(workspace, name="k", scopes=scopes)[0])
        for scopes in (["articles:read"], ["articles:read", "internal"])
    )
    assert access_revision(insider, article.pk, 1, READ).number == 1
    assert access_revision(outsider, article.pk, 2, READ).number == 2
    with pytest.raises(NotFound):
        access_revision(outsider, article.pk, 1, READ)
