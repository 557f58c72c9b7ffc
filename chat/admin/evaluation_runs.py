"""Evaluation runs: their progress while they run, their figures after, two of them compared."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from chat.admin.evaluation_page import change_table, describe_run, difference_table, share
from chat.evaluation.comparison import compare
from chat.models import EvaluationRun, RunState
from chat.services.calibration import fit_calibration
from chat.services.evaluations import cancel_run
from kb.access import Permission, caller_for_member
from kb.admin.base import TenantAdmin
from kb.admin.scope import user_of
from kb.admin.views import object_or_404
from kb.errors import Conflict

STATE_COLOURS = {"done": "success", "running": "info", "failed": "danger", "cancelled": "default"}
OFFERED_RUNS = 50


@admin.register(EvaluationRun)
class EvaluationRunAdmin(TenantAdmin):
    """Read only, but for cancelling and deleting."""

    view_permission = Permission.EVALUATE
    delete_permission = Permission.EVALUATE
    change_form_template = "chat/admin/evaluation_run.html"
    list_display = [
        "name", "workspace", "state_badge", "progress", "profile", "encoder", "ndcg", "recall",
        "created_at",
    ]  # fmt: skip
    list_filter = ["workspace", "question_set", "state"]
    list_select_related = ["workspace", "question_set"]
    search_fields = ["dataset", "profile", "encoder"]
    fields = [
        "workspace", "question_set", "dataset", "profile", "settings", "options",
        "index_version_number", "encoder", "fingerprint", "git_version", "created_at",
        "finished_at",
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Progress, cancelling, fitting the confidence, and the comparison."""
        view = self.admin_site.admin_view
        status, cancel = require_GET(self.status_view), require_POST(self.cancel_view)
        fit = require_POST(self.fit_view)
        return [
            path("<int:pk>/status/", view(status), name="chat_evaluationrun_status"),
            path("<int:pk>/cancel/", view(cancel), name="chat_evaluationrun_cancel"),
            path("<int:pk>/fit/", view(fit), name="chat_evaluationrun_fit"),
            path(
                "<int:pk>/compare/",
                view(require_GET(self.compare_view)),
                name="chat_evaluationrun_compare",
            ),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With progress and figures."""
        run: EvaluationRun | None = kwargs.get("obj")
        if run is not None:
            context.update(
                run=run,
                settled=run.state != RunState.RUNNING,
                page=describe_run(run) if run.state == RunState.DONE else None,
                others=self.comparable(request, run) if run.state == RunState.DONE else [],
            )
        return super().render_change_form(request, context, *args, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Named alone: the outcomes go with their run."""
        names = [str(each) for each in objs]
        return names, {"evaluation runs": len(names)}, set(), []

    def comparable(self, request: HttpRequest, run: EvaluationRun) -> QuerySet[EvaluationRun]:
        """Finished runs of the same questions that this person may see, newest first."""
        mine: QuerySet[EvaluationRun] = self.get_queryset(request).exclude(pk=run.pk)
        return mine.filter(state=RunState.DONE, dataset=run.dataset)[:OFFERED_RUNS]

    def status_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """How far it is, for the page that follows along."""
        run = object_or_404(self, request, pk, Permission.EVALUATE)
        settled = run.state != RunState.RUNNING
        html = render_to_string("chat/admin/evaluation_status.html", {"run": run}, request)
        return JsonResponse({"state": f"{run.state}-{run.done}", "settled": settled, "html": html})

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop it; what it has asked so far is kept."""
        run = object_or_404(self, request, pk, Permission.EVALUATE)
        try:
            cancel_run(run)
        except Conflict as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, "Cancelled.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:chat_evaluationrun_change", args=[pk]))

    def fit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The confidence fitted to this run's answers; its page says how good it is."""
        run = object_or_404(self, request, pk, Permission.EVALUATE)
        try:
            made = fit_calibration(caller_for_member(user_of(request), run.workspace), run=run)
        except Conflict as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:chat_evaluationrun_change", args=[pk]))
        if made.active:
            self.message_user(request, "Fitted, and in use from now on.", messages.SUCCESS)
        else:
            self.message_user(request, f"Fitted, but not in use. {made.reason}", messages.WARNING)
        return HttpResponseRedirect(reverse("admin:chat_calibration_change", args=[made.pk]))

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """`?with=ID`: another run against this one, question by question."""
        first = object_or_404(self, request, pk, Permission.EVALUATE)
        wanted = request.GET.get("with", "")
        if not wanted.isdecimal():
            raise Http404
        second = object_or_404(self, request, wanted, Permission.EVALUATE)
        comparison = compare(list(first.outcomes.all()), list(second.outcomes.all()))
        context = {
            **self.admin_site.each_context(request),
            "title": "Comparison of two runs",
            "opts": self.opts,
            "first": first,
            "second": second,
            "shared": comparison.shared,
            "differences": difference_table(comparison),
            "changes": [
                change_table("Got better", comparison.better, comparison.better_count),
                change_table("Got worse", comparison.worse, comparison.worse_count),
            ],
        }
        return TemplateResponse(request, "chat/admin/evaluation_comparison.html", context)

    @display(description="Questions of", ordering="dataset")
    def name(self, obj: EvaluationRun) -> str:
        """The set's name, or the dataset's."""
        return str(obj.question_set or obj.dataset)

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_badge(self, obj: EvaluationRun) -> tuple[str, str]:
        """By name."""
        return obj.state, RunState(obj.state).label

    @display(description="Asked")
    def progress(self, obj: EvaluationRun) -> str:
        """Of how many."""
        return f"{obj.done:,} of {obj.total:,}"

    @display(description="nDCG@10", ordering="measures__ndcg@10")
    def ndcg(self, obj: EvaluationRun) -> str:
        """Of the fused ranking."""
        return share(obj.measures.get("ndcg@10"))

    @display(description="Recall@5", ordering="measures__recall@5")
    def recall(self, obj: EvaluationRun) -> str:
        """Of the fused ranking."""
        return share(obj.measures.get("recall@5"))
