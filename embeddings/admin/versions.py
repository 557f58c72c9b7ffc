"""Index versions: what each is and how far, and everything that can be done to one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from unfold.decorators import display
from unfold.views import ChangeList

from embeddings.access import actor_of, with_counts
from embeddings.admin.figures import NOTHING
from embeddings.admin.start_page import start_view
from embeddings.admin.version_estimate import comparison_of
from embeddings.admin.version_moves import BY_NAME, Offer, bound_form, offers
from embeddings.admin.version_page import (
    Standing,
    facts_of,
    history_of,
    judged,
    parked_of,
    part_key,
    plots_for,
    standing_of,
)
from embeddings.hnsw import describe_indexes, vector_indexes
from embeddings.lifecycle import STORED
from embeddings.models import IndexVersion
from kb.access import Permission, caller_for_member
from kb.admin.base import TenantAdmin
from kb.admin.scope import may_anywhere, may_in, user_of
from kb.admin.views import object_or_404
from kb.errors import DomainError

STATE_COLOURS = {
    "live": "success", "building": "info", "ready": "warning", "paused": "warning",
    "failed": "danger", "standby": "default", "cancelled": "default", "retired": "default",
}  # fmt: skip
READ, OPERATE = Permission.INDEX_READ, Permission.INDEX_OPERATE
PARTS = ("now", "moves", "plots", "rest")


class IndexChangeList(ChangeList):
    """A page of versions with how their vectors are searched, in one query."""

    def get_results(self, request: HttpRequest) -> None:
        """Ask for the whole page."""
        super().get_results(request)
        self.result_list = list(self.result_list)  # type: ignore[has-type]  # set above
        indexes = vector_indexes(self.result_list)
        for version in self.result_list:
            version.vector_indexes = indexes[version.pk]


@admin.register(IndexVersion)
class IndexVersionAdmin(TenantAdmin):
    """Read by members, moved by operators and owners; nobody edits a row."""

    view_permission = READ
    change_list_template = "embeddings/admin/version_list.html"
    list_display = [
        "name", "workspace", "state_badge", "progress", "given_up", "vector_search", "dimension",
        "live_since",
    ]  # fmt: skip
    list_filter = ["workspace", "state"]
    list_select_related = ["workspace"]

    def get_urls(self) -> list[URLPattern]:
        """Starting, following along, and the moves."""
        view, name = self.admin_site.admin_view, "embeddings_indexversion"
        start = require_http_methods(["GET", "POST"])(self.start)
        live, do = require_GET(self.live_view), require_POST(self.do_view)
        return [
            path("start/", view(start), name=f"{name}_start"),
            path("<int:pk>/live/", view(live), name=f"{name}_live"),
            path("<int:pk>/do/<slug:action>/", view(do), name=f"{name}_do"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the counts in the list; a page counts for itself."""
        rows: QuerySet[Any] = super().get_queryset(request).select_related("workspace")
        match = request.resolver_match
        listed = match is not None and match.url_name == "embeddings_indexversion_changelist"
        return with_counts(rows) if listed else rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """One that knows the indexes."""
        return IndexChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the way to a new one, for who may."""
        more = {"may_start": may_anywhere(request, OPERATE), **(extra_context or {})}
        return super().changelist_view(request, more)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of a version, live and with its moves."""
        return self._page(request, object_or_404(self, request, object_id, READ))

    def start(self, request: HttpRequest) -> HttpResponse:
        """A new version, after its estimate."""
        return start_view(self, request)

    def live_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """The parts of the page as they are now."""
        version = object_or_404(self, request, pk, READ)
        context = self._parts(request, version)
        now: Standing = context["now"]
        parts = {name: _part(request, name, context) for name in PARTS}
        return JsonResponse({"spoken": now.spoken, "settled": now.settled, "parts": parts})

    def do_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """One move; what was refused is shown with what was sent."""
        version = object_or_404(self, request, pk, OPERATE)
        if action not in BY_NAME:
            raise Http404
        wanted = BY_NAME[action]
        form = bound_form(wanted, request.POST)
        if form.is_valid():
            try:
                actor = actor_of(caller_for_member(user_of(request), version.workspace))
                told = wanted.run(version, actor, form.cleaned_data)
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                self.message_user(request, told, messages.SUCCESS)
                url = reverse("admin:embeddings_indexversion_change", args=[pk])
                return HttpResponseRedirect(url)
        return self._refused(request, pk, Offer(action=wanted, form=form, opened=True))

    def _refused(self, request: HttpRequest, pk: int, refused: Offer) -> HttpResponse:
        """The state may be another by now, in which there is no such button: it is said above."""
        version = object_or_404(self, request, pk, OPERATE)
        if version.state not in refused.action.states:
            told = (
                " ".join(map(str, refused.form.non_field_errors()))
                or "That cannot be done any more."
            )
            self.message_user(request, told, messages.ERROR)
        return self._page(request, version, refused=refused, status=409)

    def _page(
        self,
        request: HttpRequest,
        version: IndexVersion,
        *,
        refused: Offer | None = None,
        status: int = 200,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **self._parts(request, version, refused=refused),
            "title": f"{version.workspace}: version {version.number}",
            "opts": self.opts,
            "facts": facts_of(version),
        }
        return TemplateResponse(request, "embeddings/admin/version.html", context, status=status)

    def _parts(
        self, request: HttpRequest, version: IndexVersion, *, refused: Offer | None = None
    ) -> dict[str, Any]:
        now, verdict, parked = standing_of(version), judged(version), parked_of(version)
        may = may_in(request, OPERATE, version.workspace_id)
        some, allowed = bool(parked["parked_count"]), verdict["allowed"]
        if not may_in(request, Permission.EVALUATE, version.workspace_id):
            verdict |= {"worst": [], "verdict_url": "", "shadow_url": ""}
        return {
            **verdict,
            **parked,
            "version": version,
            "now": now,
            "plots": plots_for(now),
            "comparison": comparison_of(version, now.progress),
            "history": history_of(version),
            "offers": offers(version, parked=some, allowed=allowed, refused=refused) if may else [],
            "moves_key": f"{version.state}-{some}-{allowed}",
        }

    @display(description="Vector search")
    def vector_search(self, obj: Any) -> str:
        """Exact, or by an index: its size, or how far its build is."""
        return describe_indexes(obj.vector_indexes) or NOTHING

    @display(description="Version", ordering="number")
    def name(self, obj: IndexVersion) -> str:
        """Number and encoder."""
        return f"{obj.number} · {obj.encoder}"

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_badge(self, obj: IndexVersion) -> tuple[str, str]:
        """By name."""
        return obj.state, obj.get_state_display()

    @display(description="Embedded")
    def progress(self, obj: Any) -> str | SafeString:
        """Published articles that have their vectors."""
        if obj.state not in STORED:
            return NOTHING
        return format_html(
            '<progress class="ub-bar ub-narrow" max="{}" value="{}" aria-hidden="true"></progress>'
            "{} of {}",
            obj.total_count or 1,
            obj.done_count,
            f"{obj.done_count:,}",
            f"{obj.total_count:,}",
        )

    @display(description="Parked", ordering="parked_count")
    def given_up(self, obj: Any) -> int:
        """Published revisions that failed three times."""
        return int(obj.parked_count)


def _part(request: HttpRequest, name: str, context: dict[str, Any]) -> dict[str, str]:
    """A form's HTML is never the same twice: the key of the moves is what they hang on."""
    html = render_to_string(f"embeddings/admin/version_{name}.html", context, request)
    return {"html": html, "key": context["moves_key"] if name == "moves" else part_key(html)}
