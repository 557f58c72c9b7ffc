"""What the pages about one index version share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from embeddings.models import IndexVersion
from kb.access import Permission
from kb.admin.scope import may_in, within


def version_or_404(request: HttpRequest, pk: int, permission: Permission) -> IndexVersion:
    """Http404 for another tenant's, PermissionDenied by role."""
    versions = IndexVersion.objects.select_related("workspace")
    mine = within(versions, request, Permission.INDEX_READ, "workspace_id")
    version: IndexVersion | None = mine.filter(pk=pk).first()
    if version is None:
        raise Http404
    if not may_in(request, permission, version.workspace_id):
        raise PermissionDenied
    return version


def page_context(request: HttpRequest, version: IndexVersion, title: str) -> dict[str, Any]:
    """For a template of the admin about this version."""
    return {
        **admin.site.each_context(request),
        "title": f"{title}: version {version.number} of {version.workspace}",
        "version": version,
    }
