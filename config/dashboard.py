"""The admin's first page: how each workspace fares, now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q
from django.http import HttpRequest
from django.utils import timezone

from chat.models import Trace
from embeddings.models import EntryState, IndexEntry, VersionState, WorkerHeartbeat
from kb.access import Permission, workspaces_of
from kb.admin.scope import may_anywhere, sees_everything, user_of, workspace_ids
from kb.models import Article, ArticleState, Workspace

SHOWN_WORKSPACES = 20
SCRATCH_PREFIX = "eval-"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFigures:
    """Counts of one workspace; questions are None for who may not see them."""

    workspace: Workspace
    articles: int
    published: int
    searchable: int
    failed: int
    oldest_pending: datetime | None
    questions: int | None
    abstained: int

    @property
    def pending(self) -> int:
        """Published, and neither searchable nor failed."""
        return max(0, self.published - self.searchable - self.failed)

    @property
    def abstained_percent(self) -> int | None:
        """Share of the day's questions that were not answered."""
        return round(100 * self.abstained / self.questions) if self.questions else None


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds the figures to unfold's index page; six queries, however many workspaces."""
    workspaces = _shown_workspaces(request)
    context["figures"] = _figures(request, workspaces)
    context["may_make_workspaces"] = sees_everything(request)
    context["may_write"] = may_anywhere(request, Permission.ARTICLES_WRITE)
    context["first_steps"] = not any(each.articles for each in context["figures"])
    context["heartbeat"] = WorkerHeartbeat.objects.aggregate(last=Max("seen_at"))["last"]
    context["worker_silent"] = _silent(context["heartbeat"])
    return context


def _shown_workspaces(request: HttpRequest) -> list[Workspace]:
    mine = workspaces_of(user_of(request), Permission.ARTICLES_READ)
    return list(mine.exclude(slug__startswith=SCRATCH_PREFIX).order_by("slug")[:SHOWN_WORKSPACES])


def _silent(heartbeat: datetime | None) -> bool:
    return heartbeat is None or heartbeat < timezone.now() - timedelta(minutes=1)


def _figures(request: HttpRequest, workspaces: list[Workspace]) -> list[WorkspaceFigures]:
    articles, entries = _article_counts(workspaces), _entry_counts(workspaces)
    questions = _question_counts(workspaces)
    nothing: dict[str, Any] = {}
    visible = None if sees_everything(request) else workspace_ids(request, Permission.TRACES_READ)
    return [
        WorkspaceFigures(
            workspace=workspace,
            articles=articles.get(workspace.pk, nothing).get("articles", 0),
            published=articles.get(workspace.pk, nothing).get("published", 0),
            searchable=entries.get(workspace.pk, nothing).get("searchable", 0),
            failed=entries.get(workspace.pk, nothing).get("failed", 0),
            oldest_pending=entries.get(workspace.pk, nothing).get("oldest"),
            questions=(
                questions.get(workspace.pk, nothing).get("questions", 0)
                if visible is None or workspace.pk in visible
                else None
            ),
            abstained=questions.get(workspace.pk, nothing).get("abstained", 0),
        )
        for workspace in workspaces
    ]


def _article_counts(workspaces: list[Workspace]) -> dict[int, dict[str, Any]]:
    rows = Article.objects.filter(workspace__in=workspaces).order_by().values("workspace_id")
    published = Q(state=ArticleState.PUBLISHED)
    counted = rows.annotate(articles=Count("pk"), published=Count("pk", filter=published))
    return {row["workspace_id"]: dict(row) for row in counted}


def _entry_counts(workspaces: list[Workspace]) -> dict[int, dict[str, Any]]:
    live = IndexEntry.objects.filter(
        index_version__state=VersionState.LIVE, index_version__workspace__in=workspaces
    ).current()
    waiting = Q(state__in=[EntryState.PENDING, EntryState.EMBEDDING])
    rows = live.values("index_version__workspace_id").annotate(
        searchable=Count("pk", filter=Q(state=EntryState.EMBEDDED)),
        failed=Count("pk", filter=Q(state=EntryState.PARKED)),
        oldest=Min("queued_at", filter=waiting),
    )
    return {row["index_version__workspace_id"]: dict(row) for row in rows}


def _question_counts(workspaces: list[Workspace]) -> dict[int, dict[str, Any]]:
    asked = Trace.objects.filter(
        workspace__in=workspaces,
        created_at__gt=timezone.now() - DAY,
        abstained__isnull=False,
        replay_of__isnull=True,
    )
    rows = (
        asked.order_by()
        .values("workspace_id")
        .annotate(questions=Count("pk"), abstained=Count("pk", filter=Q(abstained=True)))
    )
    return {row["workspace_id"]: dict(row) for row in rows}
