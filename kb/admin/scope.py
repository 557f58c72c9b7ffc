"""What a member of staff may reach in the admin, asked of `kb.access` once per request."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from kb.access import Permission, workspaces_of


def user_of(request: HttpRequest) -> User:
    """The signed-in person; the admin lets nobody else in."""
    return cast("User", request.user)


def sees_everything(request: HttpRequest) -> bool:
    """Whether no workspace is closed to this person."""
    return request.user.is_active and bool(getattr(request.user, "is_superuser", False))


def workspace_ids(request: HttpRequest, permission: Permission) -> frozenset[int]:
    """Workspaces in which the person may do it; one query per permission and request."""
    known: dict[Permission, frozenset[int]] = request.__dict__.setdefault("_workspace_ids", {})
    if permission not in known:
        mine = workspaces_of(request.user, permission)
        known[permission] = frozenset(mine.values_list("pk", flat=True))
    return known[permission]


def may_anywhere(request: HttpRequest, permission: Permission) -> bool:
    """Whether there is any workspace in which the person may do it."""
    return sees_everything(request) or bool(workspace_ids(request, permission))


def may_in(request: HttpRequest, permission: Permission, workspace_id: int | None) -> bool:
    """Whether the person may do it in this workspace."""
    if sees_everything(request):
        return True
    return workspace_id is not None and workspace_id in workspace_ids(request, permission)


def within(
    rows: QuerySet[Any], request: HttpRequest, permission: Permission, path: str
) -> QuerySet[Any]:
    """The rows whose workspace, found at lookup `path`, is open to the person."""
    if sees_everything(request):
        return rows
    return rows.filter(**{f"{path}__in": workspace_ids(request, permission)})
