"""What the admin's own views share: finding the row, or denying that there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from kb.access import Permission, access_article, caller_for_member
from kb.admin.scope import may_in, user_of
from kb.errors import Forbidden, NotFound
from kb.models import Article, Workspace

if TYPE_CHECKING:
    from kb.admin.base import TenantAdmin


def object_or_404(
    model_admin: TenantAdmin, request: HttpRequest, pk: object, permission: Permission
) -> Any:
    """A row of this admin. Http404 for another tenant's, PermissionDenied by role."""
    row = model_admin.get_object(request, str(pk))
    if row is None:
        raise Http404
    if not may_in(request, permission, model_admin.workspace_id_of(row)):
        raise PermissionDenied
    return row


def article_or_404(request: HttpRequest, article_id: int, permission: Permission) -> Article:
    """An article through `kb.access`. Http404 for another tenant's, PermissionDenied by role."""
    workspace = Workspace.objects.filter(articles=article_id).first()
    if workspace is None:
        raise Http404
    try:
        caller = caller_for_member(user_of(request), workspace)
        return access_article(caller, article_id, permission)
    except NotFound as error:
        raise Http404 from error
    except Forbidden as error:
        raise PermissionDenied from error
