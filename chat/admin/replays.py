"""A trace's own views: replayed, compared with another, put into a question set."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminSelectWidget

from chat.admin.labelling import SHOWN_ARTICLES, label_form
from chat.admin.playground_form import profile_choices, version_choices
from chat.admin.trace_diff import describe_diff
from chat.models import QuestionOrigin, Trace
from chat.services.traces import history_of, replay_trace
from chat.traces import access_trace
from kb.access import Caller, caller_for_member
from kb.admin.scope import user_of
from kb.errors import DomainError, Forbidden, InvalidInput, NotFound
from kb.models import Workspace

if TYPE_CHECKING:
    from chat.admin.traces import TraceAdmin

SHOWN_REPLAYS = 20
AS_BEFORE = "As in this trace"


class ReplayForm(forms.Form):
    """With which settings, on which version; both as in the trace unless chosen."""

    profile = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    version = forms.ChoiceField(
        required=False, label="Index version", widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = {
            "profile": profile_choices(workspace),
            "version": version_choices(workspace),
        }
        for name, known in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
            field.choices = [("", AS_BEFORE), *known[1:]]


def routes(admin: TraceAdmin) -> list[URLPattern]:
    """Replay, comparison and labelling of one trace."""
    view = admin.admin_site.admin_view

    @require_POST
    def replay(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
        caller, trace = _trace_or_404(request, trace_id)
        made, said, level = _replayed(request, caller, trace)
        admin.message_user(request, said, level)
        return HttpResponseRedirect(page_of(made))

    def difference(request: HttpRequest, trace_id: uuid.UUID, other: uuid.UUID) -> HttpResponse:
        caller, old = _trace_or_404(request, trace_id)
        return _comparison(admin, request, old, _of_the_same(caller, other))

    @require_POST
    def label(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
        _, trace = _trace_or_404(request, trace_id)
        said, level = _labelled(request, trace)
        admin.message_user(request, said, level)
        return HttpResponseRedirect(page_of(trace))

    return [
        path("<uuid:trace_id>/replay/", view(replay), name="chat_trace_replay"),
        path("<uuid:trace_id>/diff/<uuid:other>/", view(difference), name="chat_trace_diff"),
        path("<uuid:trace_id>/label/", view(label), name="chat_trace_label"),
    ]


def page_of(trace: Trace) -> str:
    """Its address in the admin."""
    return reverse("admin:chat_trace_change", args=[trace.pk])


def around(request: HttpRequest, trace: Trace) -> dict[str, Any]:
    """What a trace's page has beside the trace: its original, its replays, the forms."""
    original = trace.replay_of
    return {
        "difference": describe_diff(original, trace) if original else None,
        "original": original,
        "replays": trace.replays.defer("detail").order_by("-created_at")[:SHOWN_REPLAYS],
        "replay_form": ReplayForm(workspace=trace.workspace) if trace.question else None,
        "label": label_form(request, trace.workspace, ranked(trace)) if trace.question else None,
    }


def ranked(trace: Trace) -> list[int]:
    """Its best articles; none of a trace that lacks them."""
    fused = trace.detail.get("fused") if isinstance(trace.detail, dict) else None
    rows = fused if isinstance(fused, list) else []
    ids = [row.get("article_id") for row in rows if isinstance(row, dict)]
    return [each for each in ids if isinstance(each, int)][:SHOWN_ARTICLES]


def _replayed(request: HttpRequest, caller: Caller, trace: Trace) -> tuple[Trace, str, int]:
    """Where to go, and what to tell the person how loudly. Raises PermissionDenied."""
    form = ReplayForm(request.POST, workspace=caller.workspace)
    if not form.is_valid():
        return trace, "There is no such profile or version.", messages.ERROR
    version = form.cleaned_data["version"]
    try:
        made = replay_trace(
            caller,
            trace,
            profile=form.cleaned_data["profile"] or None,
            version=int(version) if version else None,
        )
    except Forbidden as error:
        raise PermissionDenied from error
    except DomainError as error:
        return trace, str(error), messages.ERROR
    return made, "Replayed; below is what changed.", messages.SUCCESS


def _comparison(admin: TraceAdmin, request: HttpRequest, old: Trace, new: Trace) -> HttpResponse:
    context = {
        **admin.admin_site.each_context(request),
        "title": "What changed",
        "opts": admin.opts,
        "old": old,
        "new": new,
        "difference": describe_diff(old, new),
    }
    return TemplateResponse(request, "chat/admin/trace_comparison.html", context)


def _labelled(request: HttpRequest, trace: Trace) -> tuple[str, int]:
    """What to tell the person, and how loudly. Raises PermissionDenied."""
    form = label_form(request, trace.workspace, ranked(trace), bound=True)
    if form is None:
        raise PermissionDenied
    if not form.is_valid():
        said = " ".join(str(each) for errors in form.errors.values() for each in errors)
        return said, messages.ERROR
    key = f"trace-{trace.pk}"
    try:
        form.save(trace.question, history=history_of(trace), origin=QuestionOrigin.TRACE, key=key)
    except InvalidInput as error:
        return str(error), messages.ERROR
    return f"Saved to {form.chosen_set}.", messages.SUCCESS


def _trace_or_404(request: HttpRequest, trace_id: uuid.UUID) -> tuple[Caller, Trace]:
    """Http404 for another tenant's trace, PermissionDenied by role."""
    workspace = Workspace.objects.filter(traces=trace_id).first()
    if workspace is None:
        raise Http404
    try:
        caller = caller_for_member(user_of(request), workspace)
        return caller, access_trace(caller, trace_id)
    except NotFound as error:
        raise Http404 from error
    except Forbidden as error:
        raise PermissionDenied from error


def _of_the_same(caller: Caller, trace_id: uuid.UUID) -> Trace:
    """Another trace of the same workspace. Http404."""
    try:
        return access_trace(caller, trace_id)
    except NotFound as error:
        raise Http404 from error
