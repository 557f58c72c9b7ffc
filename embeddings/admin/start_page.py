"""Starting a re-embedding: choices, then what they would take, then the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from embeddings.access import actor_of
from embeddings.admin.move_forms import PaceForm
from embeddings.admin.start_form import StartForm, read_estimate, signed_estimate
from embeddings.admin.version_estimate import estimate_table
from embeddings.models import IndexVersion
from embeddings.services.starting import start_version
from kb.access import Permission, caller_for_member, workspaces_of
from kb.admin.scope import user_of
from kb.errors import DomainError
from kb.models import Workspace

if TYPE_CHECKING:
    from kb.admin.base import TenantAdmin


def start_view(model_admin: TenantAdmin, request: HttpRequest) -> HttpResponse:
    """GET: the form. POST: the estimate; with the estimate of these very choices: the start."""
    mine = _workspaces(request)
    if not mine.exists():
        raise PermissionDenied
    if request.method != "POST":
        return _page(model_admin, request, StartForm(workspaces=mine, initial=_initial(request)))
    form = StartForm(request.POST, workspaces=mine)
    signed = ""
    if form.is_valid():
        try:
            if made := _start(request, form.cleaned_data):
                return _started(model_admin, request, made)
            signed = signed_estimate(form.cleaned_data)
        except DomainError as error:
            form.add_error(None, str(error))
    return _page(model_admin, request, form, signed=signed)


def _start(request: HttpRequest, given: dict[str, Any]) -> IndexVersion | None:
    """None without an estimate of these choices: it is shown first."""
    seen = read_estimate(request.POST.get("estimate", ""), given)
    if seen is None or "start" not in request.POST:
        return None
    workspace: Workspace = given["workspace"]
    return start_version(
        workspace,
        encoder=given["encoder"],
        strategy=given["strategy"] or None,
        actor=actor_of(caller_for_member(user_of(request), workspace)),
        reason=given["reason"],
        pace=PaceForm.pace_of(given),
        cut_over=given["cut_over"],
        estimate=seen,
    )


def _workspaces(request: HttpRequest) -> QuerySet[Workspace]:
    return workspaces_of(user_of(request), Permission.INDEX_OPERATE).order_by("name")


def _initial(request: HttpRequest) -> dict[str, Any]:
    return {name: request.GET[name] for name in ("workspace", "encoder") if name in request.GET}


def _started(model_admin: TenantAdmin, request: HttpRequest, version: IndexVersion) -> HttpResponse:
    model_admin.message_user(request, f"Version {version.number} is being built.")
    url = reverse("admin:embeddings_indexversion_change", args=[version.pk])
    return HttpResponseRedirect(url)


def _page(
    model_admin: TenantAdmin, request: HttpRequest, form: forms.Form, *, signed: str = ""
) -> HttpResponse:
    seen = read_estimate(signed, form.cleaned_data) if signed else None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Start a re-embedding",
        "opts": model_admin.opts,
        "form": form,
        "signed": signed,
        "estimate": seen,
        "estimate_table": estimate_table(seen) if seen else None,
    }
    return TemplateResponse(request, "embeddings/admin/version_start.html", context)
