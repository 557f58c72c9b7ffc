"""Preview, live status, and changes of state: small views beside the article form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_POST

from kb.access import Permission
from kb.admin.scope import may_anywhere, user_of
from kb.admin.status import status_context
from kb.admin.views import article_or_404
from kb.content import DEFAULT_MAX_BYTES
from kb.errors import DomainError
from kb.models import Article
from kb.rendering import render_markdown
from kb.services import archive_article, publish_article, restore_article, unpublish_article

if TYPE_CHECKING:
    from kb.admin.articles import ArticleAdmin

Change = Callable[[HttpRequest, Article], str]


def routes(admin: ArticleAdmin) -> list[URLPattern]:
    """All behind the admin's login; what changes something is a POST."""
    view = admin.admin_site.admin_view
    changes = [
        path(
            f"<int:article_id>/{name}/",
            view(_change_view(admin, change)),
            name=f"kb_article_{name}",
        )
        for name, change in CHANGES.items()
    ]
    return [
        path("preview/", view(require_POST(preview)), name="kb_article_preview"),
        path("<int:article_id>/status/", view(require_GET(status)), name="kb_article_status"),
        *changes,
    ]


def preview(request: HttpRequest) -> JsonResponse:
    """The sanitised rendering of what is being typed."""
    if not may_anywhere(request, Permission.ARTICLES_WRITE):
        raise PermissionDenied
    body = request.POST.get("body", "")
    if len(body) > DEFAULT_MAX_BYTES:
        return JsonResponse({"html": "<p>Too long to preview.</p>"}, status=413)
    return JsonResponse({"html": render_markdown(body)})


def status(request: HttpRequest, article_id: int) -> JsonResponse:
    """The status panel as it is now, and whether it will stay so."""
    article = article_or_404(request, article_id, Permission.ARTICLES_READ)
    context = status_context(request, article)
    return JsonResponse(
        {
            "state": context["freshness"].state,
            "settled": context["settled"],
            "html": render_to_string("kb/admin/status.html", context, request),
        }
    )


def _publish(request: HttpRequest, article: Article) -> str:
    publish_article(article, actor=user_of(request))
    return "Published."


def _unpublish(request: HttpRequest, article: Article) -> str:
    unpublish_article(article, actor=user_of(request))
    return "Unpublished: no answer uses it any more."


def _archive(request: HttpRequest, article: Article) -> str:
    reason = request.POST.get("reason", "")
    archive_article(article, reason=reason, actor=user_of(request))
    return "Archived: out of answers, kept with its history."


def _restore(request: HttpRequest, article: Article) -> str:
    restore_article(article, actor=user_of(request))
    return "Restored as a draft."


CHANGES: dict[str, Change] = {
    "publish": _publish,
    "unpublish": _unpublish,
    "archive": _archive,
    "restore": _restore,
}


def _change_view(admin: ArticleAdmin, change: Change) -> Callable[..., HttpResponse]:
    @require_POST
    def view(request: HttpRequest, article_id: int) -> HttpResponse:
        article = article_or_404(request, article_id, Permission.ARTICLES_PUBLISH)
        try:
            done = change(request, article)
        except DomainError as error:
            admin.message_user(request, str(error), messages.ERROR)
        else:
            admin.log_change(request, article, done)
            admin.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:kb_article_change", args=[article_id]))

    return view
