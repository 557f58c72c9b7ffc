"""Question sets: what a team measures its own retrieval with."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from chat.admin import question_set_actions
from chat.admin.question_set_forms import ImportForm, QuestionForm, QuestionSetForm, RunForm
from chat.models import LabelledQuestion, QuestionSet
from kb.access import Permission
from kb.admin.base import TenantAdmin

SHOWN_QUESTIONS = 10
SHOWN_RUNS = 10


@admin.register(QuestionSet)
class QuestionSetAdmin(TenantAdmin):
    """Who may judge answers makes sets, fills them and has them asked."""

    view_permission = Permission.EVALUATE
    add_permission = Permission.EVALUATE
    change_permission = Permission.EVALUATE
    delete_permission = Permission.EVALUATE
    form = QuestionSetForm
    change_form_template = "chat/admin/question_set.html"
    list_display = ["name", "workspace", "questions", "unanswerable", "created_at"]
    list_filter = ["workspace"]
    list_select_related = ["workspace"]
    search_fields = ["name", "description"]
    fields = ["workspace", "name", "slug", "description"]

    def get_urls(self) -> list[URLPattern]:
        """Import, add and run beside Django's own."""
        return [*question_set_actions.routes(self), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the counts."""
        unanswerable = Count("questions", filter=Q(questions__answerable=False))
        rows = super().get_queryset(request).select_related("workspace")
        return rows.annotate(question_count=Count("questions"), unanswerable_count=unanswerable)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A set never moves to another workspace."""
        return ["workspace"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """The slug of a new set follows its name."""
        return {} if obj else {"slug": ["name"]}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With its questions, its runs, and what can be done with it."""
        question_set: QuestionSet | None = kwargs.get("obj")
        if question_set is not None:
            context.update(around(question_set))
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to its page, where it is filled."""
        return HttpResponseRedirect(reverse("admin:chat_questionset_change", args=[obj.pk]))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Named alone: its questions go with it, its runs stay."""
        names = [str(each) for each in objs]
        return names, {"question sets": len(names)}, set(), []

    @display(description="Questions", ordering="question_count")
    def questions(self, obj: Any) -> int:
        """All of them."""
        return int(obj.question_count)

    @display(description="Unanswerable", ordering="unanswerable_count")
    def unanswerable(self, obj: Any) -> int:
        """Those that no article answers."""
        return int(obj.unanswerable_count)


def around(question_set: QuestionSet) -> dict[str, Any]:
    """For `chat/admin/question_set.html`."""
    questions = question_set.questions.order_by("-pk").prefetch_related(
        "expected__article__latest_revision"
    )
    return {
        "question_set": question_set,
        "questions": questions[:SHOWN_QUESTIONS],
        "lost": question_set.questions.without_a_place().count(),
        "runs": question_set.runs.all()[:SHOWN_RUNS],
        "import_form": ImportForm(prefix="import"),
        "question_form": QuestionForm(prefix="question", question_set=question_set),
        "run_form": RunForm(prefix="run", question_set=question_set),
    }


@admin.register(LabelledQuestion)
class LabelledQuestionAdmin(TenantAdmin):
    """Read here and taken out; written on the set's page, by import, or from a trace."""

    workspace_path = "question_set__workspace_id"
    view_permission = Permission.EVALUATE
    delete_permission = Permission.EVALUATE
    list_display = ["text", "question_set", "answerable", "kind", "language", "origin"]
    list_filter = ["question_set", "answerable", "origin"]
    list_select_related = ["question_set__workspace"]
    search_fields = ["text", "key"]
    fields = [
        "question_set", "key", "text", "history", "answerable", "places", "language", "kind",
        "tags", "origin", "created_at",
    ]  # fmt: skip

    @display(description="Answered by")
    def places(self, obj: LabelledQuestion) -> SafeString:
        """Articles and the words in them."""
        expected = obj.expected.select_related("article__latest_revision")
        lines = ((each.article, each.quote) for each in expected)
        return format_html_join("", "<p>{}</p><p class='ub-quote'>{}</p>", lines)
