"""The playground: a question asked in one or two ways, side by side, and nothing kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.debug import sensitive_post_parameters

from chat.admin.labelling import SHOWN_ARTICLES, LabelForm, label_form
from chat.admin.playground_form import PlaygroundForm, Side
from chat.admin.trace_diff import DiffPage, describe_diff
from chat.admin.trace_page import TracePage, describe
from chat.errors import QuestionRejected
from chat.models import QuestionOrigin, Trace
from chat.services.playground import try_question
from chat.tracing.diff import TraceDiff, diff_traces
from kb.access import Caller, Permission, caller_for_member, require, workspaces_of
from kb.admin.scope import user_of
from kb.errors import DomainError, Forbidden, InvalidInput, NotFound
from kb.models import Workspace

if TYPE_CHECKING:
    from chat.admin.traces import TraceAdmin

NEEDED = (Permission.RETRIEVE, Permission.TRACES_READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One way of asking: what came of it, or the error that says why nothing did."""

    side: Side
    trace: Trace | None = None
    page: TracePage | None = None
    error: str = ""


def routes(admin: TraceAdmin) -> list[URLPattern]:
    """The choice of a workspace, and a page for each."""
    view = admin.admin_site.admin_view

    def choose(request: HttpRequest) -> HttpResponse:
        mine = workspaces_of(user_of(request), Permission.TRACES_READ)
        mine = mine.filter(pk__in=workspaces_of(user_of(request), Permission.RETRIEVE))
        workspaces = list(mine.order_by("name"))
        if not workspaces:
            raise PermissionDenied
        if len(workspaces) == 1:
            return HttpResponseRedirect(address_of(workspaces[0]))
        links = [(each.name, address_of(each)) for each in workspaces]
        return _render(admin, request, "playground_choice", links=links)

    @sensitive_post_parameters()
    def page(request: HttpRequest, slug: str) -> HttpResponse:
        caller = _caller(request, slug)
        form = PlaygroundForm(request.POST or None, workspace=caller.workspace)
        context: dict[str, Any] = {}
        if request.method == "POST" and form.is_valid():
            context = _asked(request, caller, form)
        return _render(
            admin, request, "playground", form=form, workspace=caller.workspace, **context
        )

    return [
        path("playground/", view(choose), name="chat_playground"),
        path("playground/<slug:slug>/", view(page), name="chat_playground_workspace"),
    ]


def address_of(workspace: Workspace) -> str:
    """Of the workspace's playground."""
    return reverse("admin:chat_playground_workspace", args=[workspace.slug])


def _render(admin: TraceAdmin, request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    shared = {**admin.admin_site.each_context(request), "title": "Playground"}
    return TemplateResponse(request, f"chat/admin/{name}.html", {**shared, **context})


def _caller(request: HttpRequest, slug: str) -> Caller:
    """Http404 for another tenant's workspace, PermissionDenied by role."""
    workspace = Workspace.objects.filter(slug=slug).first()
    if workspace is None:
        raise Http404
    try:
        caller = caller_for_member(user_of(request), workspace)
        for permission in NEEDED:
            require(caller, permission)
    except NotFound as error:
        raise Http404 from error
    except Forbidden as error:
        raise PermissionDenied from error
    return caller


def _asked(request: HttpRequest, caller: Caller, form: PlaygroundForm) -> dict[str, Any]:
    """What the page shows of a valid form; a rejected question becomes an error of its field."""
    try:
        columns = [_tried(caller, form, side) for side in form.sides]
    except QuestionRejected as error:
        form.add_error("question", str(error))
        return {}
    diff = _difference(columns)
    label = label_form(request, caller.workspace, _ranked(columns), bound="save" in request.POST)
    if label and "save" in request.POST:
        label = _saved(request, caller, form, label)
    return {
        "columns": _described(columns, diff[0] if diff else None),
        "difference": diff[1] if diff else None,
        "label": label,
    }


def _tried(caller: Caller, form: PlaygroundForm, side: Side) -> Column:
    given = form.cleaned_data
    try:
        trace = try_question(
            caller,
            question=given["question"],
            history=given["history"],
            filters=form.filters,
            include_internal=given["reader"] == "internal",
            use_curated=given["curated"],
            profile=side.profile,
            version=side.version,
        )
    except QuestionRejected:
        raise
    except DomainError as error:
        return Column(side=side, error=str(error))
    return Column(side=side, trace=trace)


def _difference(columns: Sequence[Column]) -> tuple[TraceDiff, DiffPage] | None:
    found = [(column.side.name, column.trace) for column in columns if column.trace]
    if len(found) < 2:
        return None
    (old_name, old), (new_name, new) = found
    diff = diff_traces(old, new)
    return diff, describe_diff(old, new, diff=diff, names=(old_name, new_name))


def _described(columns: Sequence[Column], diff: TraceDiff | None) -> list[Column]:
    """The second column's ranking says how articles moved."""
    return [
        Column(
            side=column.side,
            trace=column.trace,
            page=describe(column.trace, diff=diff if number else None) if column.trace else None,
            error=column.error,
        )
        for number, column in enumerate(columns)
    ]


def _ranked(columns: Sequence[Column]) -> list[int]:
    return [
        fused["article_id"]
        for column in columns
        if column.trace
        for fused in column.trace.detail["fused"][:SHOWN_ARTICLES]
    ]


def _saved(
    request: HttpRequest, caller: Caller, form: PlaygroundForm, label: LabelForm
) -> LabelForm | None:
    """A fresh form after saving, the same with its errors otherwise."""
    if not label.is_valid():
        return label
    given = form.cleaned_data
    try:
        label.save(given["question"], history=given["history"], origin=QuestionOrigin.PLAYGROUND)
    except InvalidInput as error:
        label.add_error(None, str(error))
        return label
    messages.success(request, f"Saved to {label.chosen_set}.")
    return label_form(request, caller.workspace, map(int, label.articles))
