"""Filling a question set and having it asked: POSTs beside its form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from chat.admin.question_set_forms import ImportForm, QuestionForm, RunForm
from chat.models import QuestionOrigin, QuestionSet
from chat.services.evaluations import start_run
from chat.services.question_imports import import_questions
from chat.services.question_sets import add_question
from kb.access import Permission
from kb.admin.views import object_or_404
from kb.errors import DomainError, ImportRefused, InvalidInput

if TYPE_CHECKING:
    from chat.admin.question_sets import QuestionSetAdmin

SHOWN_PROBLEMS = 10
PROBLEM_CHARACTERS = 200

Action = Callable[[HttpRequest, QuestionSet], tuple[str, str]]


def routes(admin: QuestionSetAdmin) -> list[URLPattern]:
    """One view per action."""
    view = admin.admin_site.admin_view
    return [
        path(
            f"<int:pk>/{name}/",
            view(_action_view(admin, action)),
            name=f"chat_questionset_{name}",
        )
        for name, action in ACTIONS.items()
    ]


def _import(request: HttpRequest, question_set: QuestionSet) -> tuple[str, str]:
    form = ImportForm(request.POST, request.FILES, prefix="import")
    _require(form)
    file = form.cleaned_data["file"]
    count = import_questions(question_set, name=file.name, data=file.read())
    return f"{count} questions stored.", ""


def _add(request: HttpRequest, question_set: QuestionSet) -> tuple[str, str]:
    form = QuestionForm(request.POST, prefix="question", question_set=question_set)
    _require(form)
    add_question(question_set, form.question(), origin=QuestionOrigin.MANUAL)
    return "The question is stored.", ""


def _run(request: HttpRequest, question_set: QuestionSet) -> tuple[str, str]:
    form = RunForm(request.POST, prefix="run", question_set=question_set)
    _require(form)
    run = start_run(question_set, **form.chosen)
    return "Started.", reverse("admin:chat_evaluationrun_change", args=[run.pk])


ACTIONS: dict[str, Action] = {"import": _import, "add_question": _add, "run": _run}


def _require(form: forms.Form) -> None:
    if not form.is_valid():
        said = [f"{name}: {text}" for name, texts in form.errors.items() for text in texts]
        raise InvalidInput(" ".join(said))


def _action_view(admin: QuestionSetAdmin, action: Action) -> Callable[..., HttpResponse]:
    @require_POST
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        question_set = object_or_404(admin, request, pk, Permission.EVALUATE)
        onwards = ""
        try:
            done, onwards = action(request, question_set)
        except ImportRefused as error:
            _tell_problems(admin, request, error.problems)
        except DomainError as error:
            admin.message_user(request, str(error), messages.ERROR)
        else:
            admin.log_change(request, question_set, done)
            admin.message_user(request, done, messages.SUCCESS)
        here = reverse("admin:chat_questionset_change", args=[pk])
        return HttpResponseRedirect(onwards or here)

    return view


def _tell_problems(admin: QuestionSetAdmin, request: HttpRequest, problems: list[str]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        admin.message_user(request, problem[:PROBLEM_CHARACTERS], messages.ERROR)
    told = f"{len(problems)} faulty line(s); nothing was stored."
    admin.message_user(request, told, messages.ERROR)
