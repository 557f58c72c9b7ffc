"""Curated answers: written, switched, compared. Every write goes through `chat.services`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from unfold.decorators import display

from chat.admin import curated_views
from chat.admin.curated_form import CuratedAnswerForm
from chat.answering.curated_standing import State, state_of, with_standing
from chat.models import CuratedAnswer, CuratedVector
from chat.services.curated import (
    delete_curated_answer,
    save_curated_answer,
    switch_curated_answers,
)
from chat.services.curated_sets import make_set_of_curated
from embeddings.models import IndexVersion
from kb.access import Caller, Permission, caller_for_member, workspaces_of
from kb.admin.base import TenantAdmin
from kb.admin.scope import may_in, user_of
from kb.errors import DomainError
from kb.models import Workspace

STATE_COLOURS = {
    State.ANSWERING: "success",
    State.WITHDRAWN: "danger",
    State.EXPIRED: "warning",
    State.DISABLED: "default",
}
EXPORTS_OFFERED = 20
VECTOR_COLOURS = {"embedded": "success", "pending": "warning", "refused": "danger"}


@admin.register(CuratedAnswer)
class CuratedAnswerAdmin(TenantAdmin):
    """Reviewers and owners approve answers; others read them."""

    view_permission = Permission.ARTICLES_READ
    add_permission = Permission.ANSWERS_WRITE
    change_permission = Permission.ANSWERS_WRITE
    delete_permission = Permission.ANSWERS_WRITE
    form = CuratedAnswerForm
    change_form_template = "chat/admin/curated_form.html"
    change_list_template = "chat/admin/curated_list.html"
    warn_unsaved_form = True
    list_display = [
        "question_text", "state_badge", "vector_badge", "language", "audience", "collection",
        "workspace", "updated_at",
    ]  # fmt: skip
    list_filter = ["workspace", "enabled", "collection", "language", "audience"]
    search_fields = ["questions__text", "text"]
    search_help_text = "Search questions and answers"
    actions = ["enable", "disable", "make_question_set"]
    _written = [
        "workspace", "question", "variants", "text", "sources", "language", "audience",
        "collection", "enabled", "valid_until",
    ]  # fmt: skip
    _read = [
        "workspace", "question_text", "other_questions", "text", "language", "audience",
        "collection", "enabled", "valid_until",
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Near-duplicates, import and export beside Django's own."""
        return [*curated_views.routes(self), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With all that the columns read."""
        rows: Any = super().get_queryset(request)
        related = rows.select_related("workspace", "collection")
        return with_standing(related).prefetch_related("questions")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The form's for who may write, the answer's own for others."""
        writes = self.has_change_permission(request, obj) if obj else True
        return self._written if writes else self._read

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """An answer never moves to another workspace."""
        if obj and not self.has_change_permission(request, obj):
            return self._read
        return ["workspace"] if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form knows who is asking; readers get one without fields."""
        if obj and not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change, form=forms.ModelForm, **kwargs)
        kwargs["fields"] = [name for name in self._written if name in CuratedAnswerForm.Meta.fields]
        made = super().get_form(request, obj, change, **kwargs)
        return type("RequestCuratedAnswerForm", (made,), {"request": request})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With how the answer stands, wording by wording."""
        answer: CuratedAnswer | None = kwargs.get("obj")
        if answer is not None:
            context.update(answer=answer, state=state_of(answer), wordings=_wordings(answer))
            context["sources"] = answer.sources.select_related("article__latest_revision")
        place = answer.workspace_id if answer else None
        context["may_write"] = answer is None or may_in(request, Permission.ANSWERS_WRITE, place)
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the workspaces whose answers may be taken along."""
        mine = workspaces_of(user_of(request), Permission.ARTICLES_READ)
        context = {"exportable": mine[:EXPORTS_OFFERED], **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def save_model(self, request: HttpRequest, obj: CuratedAnswer, form: Any, change: bool) -> None:
        """Through the service; the form has checked the draft."""
        caller = caller_for_member(user_of(request), form.place)
        saved = save_curated_answer(caller, draft=form.draft, answer=obj if change else None)
        obj.__dict__.update(saved.__dict__)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Named alone: questions and vectors go with their answer."""
        names = [str(answer) for answer in objs]
        return names, {"curated answers": len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: CuratedAnswer) -> None:
        """Through the service."""
        delete_curated_answer(caller_for_member(user_of(request), obj.workspace), answer=obj)

    @admin.action(description="Give these answers", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[CuratedAnswer]) -> None:
        """From the next question on."""
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Give these answers no more", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[CuratedAnswer]) -> None:
        """From the next question on."""
        self._switch(request, queryset, enabled=False)

    @admin.action(description="Make a question set of these", permissions=["change"])
    def make_question_set(self, request: HttpRequest, queryset: QuerySet[CuratedAnswer]) -> None:
        """One per workspace, to measure retrieval with."""
        for caller, keys in self._by_workspace(request, queryset):
            name = f"Curated answers {timezone.now():%Y-%m-%d %H:%M:%S}"
            try:
                made = make_set_of_curated(caller, answer_ids=keys, name=name)
            except DomainError as error:
                self.message_user(request, str(error), messages.ERROR)
                continue
            left_out = f"; {made.without_article} answers stand on no article and were left out"
            said = f"“{made.question_set}” has {made.questions} questions"
            self.message_user(request, said + (left_out if made.without_article else ""))

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[CuratedAnswer], *, enabled: bool
    ) -> None:
        count = sum(
            switch_curated_answers(caller, answer_ids=keys, enabled=enabled)
            for caller, keys in self._by_workspace(request, queryset)
        )
        said = "given from now on" if enabled else "given no more"
        self.message_user(request, f"{count} answers are {said}.", messages.SUCCESS)

    def _by_workspace(
        self, request: HttpRequest, queryset: QuerySet[CuratedAnswer]
    ) -> list[tuple[Caller, list[int]]]:
        """Answers of workspaces in which the person may write them; the others are left out."""
        by_place: defaultdict[Workspace, list[int]] = defaultdict(list)
        for answer in queryset:
            if may_in(request, Permission.ANSWERS_WRITE, answer.workspace_id):
                by_place[answer.workspace].append(answer.pk)
        user = user_of(request)
        return [(caller_for_member(user, place), keys) for place, keys in by_place.items()]

    @display(description="Question")
    def question_text(self, obj: CuratedAnswer) -> str:
        """The main one."""
        return obj.main_question

    @display(description="Other ways to ask it")
    def other_questions(self, obj: CuratedAnswer) -> str:
        """One a line."""
        return "\n".join(question.text for question in obj.questions.all()[1:]) or "–"

    @display(description="State", label=STATE_COLOURS)
    def state_badge(self, obj: CuratedAnswer) -> tuple[str, str]:
        """Whether it is given now."""
        state = state_of(obj)
        return state, state.title()

    @display(description="Index", label=VECTOR_COLOURS)
    def vector_badge(self, obj: Any) -> tuple[str, str]:
        """Whether like questions find it, too."""
        word = "pending" if obj.pending else "refused" if obj.refused else "embedded"
        return word, word.title()


def _wordings(answer: CuratedAnswer) -> list[dict[str, str]]:
    """Each question with its standing in the live index."""
    live = IndexVersion.objects.live_in(answer.workspace_id)
    vectors = {
        vector.question_id: vector
        for vector in CuratedVector.objects.filter(
            question__answer=answer, fingerprint=live.fingerprint if live else ""
        ).defer("embedding")
    }
    return [
        {"text": question.text, **_vector_state(vectors.get(question.pk))}
        for question in answer.questions.all()
    ]


def _vector_state(vector: CuratedVector | None) -> dict[str, str]:
    if vector is None:
        return {"state": "pending", "reason": ""}
    return {"state": "refused" if vector.reason else "embedded", "reason": vector.reason}
