"""Small views beside the curated answers: near-duplicates, import, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_POST
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from chat.answering.curated_near import near_questions
from chat.retrieval.question import clean_question
from chat.services.curated_csv import COLUMNS, MAX_BYTES, export_curated_csv, import_curated_csv
from kb.access import Caller, Permission, caller_for_member, workspaces_of
from kb.admin.scope import may_anywhere, user_of
from kb.errors import DomainError, ImportRefused
from kb.models import Workspace

if TYPE_CHECKING:
    from chat.admin.curated import CuratedAnswerAdmin

WRITE, READ = Permission.ANSWERS_WRITE, Permission.ARTICLES_READ


class ImportForm(forms.Form):
    """A file and where its answers go."""

    workspace = forms.ModelChoiceField(
        queryset=Workspace.objects.none(), empty_label=None, widget=UnfoldAdminSelectWidget
    )
    file = forms.FileField(widget=UnfoldAdminFileFieldWidget, label="CSV file")


def routes(admin: CuratedAnswerAdmin) -> list[URLPattern]:
    """All behind the admin's login."""
    view = admin.admin_site.admin_view

    def importing(request: HttpRequest) -> HttpResponse:
        return import_view(admin, request)

    return [
        path("near/", view(require_POST(near)), name="chat_curatedanswer_near"),
        path("import/", view(importing), name="chat_curatedanswer_import"),
        path(
            "export/<slug:slug>.csv",
            view(require_GET(export_view)),
            name="chat_curatedanswer_export",
        ),
    ]


def near(request: HttpRequest) -> JsonResponse:
    """Questions of other answers that are like the one being written."""
    key = request.POST.get("workspace", "")
    caller = _caller(request, WRITE, pk=int(key) if key.isdecimal() else 0)
    answer = request.POST.get("answer", "")
    try:
        question = clean_question(request.POST.get("question", ""))
        found = near_questions(
            caller, question, besides=int(answer) if answer.isdecimal() else None
        )
        context = {"near": found}
    except DomainError as error:
        context = {"near": [], "problem": str(error)}  # type: ignore[dict-item]  # for the template
    return JsonResponse({"html": render_to_string("chat/admin/curated_near.html", context)})


def export_view(request: HttpRequest, slug: str) -> HttpResponse:
    """All curated answers of a workspace as CSV."""
    content = export_curated_csv(_caller(request, READ, slug=slug))
    response = HttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="curated-answers-{slug}.csv"'
    return response


def import_view(admin: CuratedAnswerAdmin, request: HttpRequest) -> HttpResponse:
    """A form, and what came of the file: all of it, or the faults line by line."""
    if not may_anywhere(request, WRITE):
        raise PermissionDenied
    form = ImportForm(request.POST or None, request.FILES or None)
    form.fields["workspace"].queryset = workspaces_of(user_of(request), WRITE)  # type: ignore[attr-defined]  # a model choice
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        problems = _import(admin, request, form)
        if not problems:
            return HttpResponseRedirect(reverse("admin:chat_curatedanswer_changelist"))
    context = {
        **admin.admin_site.each_context(request),
        "title": "Import curated answers",
        "opts": admin.opts,
        "form": form,
        "problems": problems,
        "columns": COLUMNS,
        "megabytes": MAX_BYTES // 1_000_000,
    }
    return TemplateResponse(request, "chat/admin/curated_import.html", context)


def _import(admin: CuratedAnswerAdmin, request: HttpRequest, form: ImportForm) -> list[str]:
    """The problems; none if everything was stored."""
    caller = caller_for_member(user_of(request), form.cleaned_data["workspace"])
    try:
        # One byte more than is read tells that there is more.
        done = import_curated_csv(caller, form.cleaned_data["file"].read(MAX_BYTES + 1))
    except ImportRefused as error:
        return error.problems
    except DomainError as error:
        return [str(error)]
    message = f"{done.created} answers made, {done.changed} changed."
    admin.message_user(request, message, messages.SUCCESS)
    return []


def _caller(request: HttpRequest, permission: Permission, **place: object) -> Caller:
    """The person in a workspace where it is allowed; Http404 for every other."""
    workspace = workspaces_of(user_of(request), permission).filter(**place).first()
    if workspace is None:
        raise Http404
    return caller_for_member(user_of(request), workspace)
