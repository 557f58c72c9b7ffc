"""An article's history: who wrote what and when, compared and brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from kb.access import Permission
from kb.admin.diff import compare
from kb.admin.scope import may_in, user_of
from kb.admin.views import article_or_404
from kb.models import Article, Revision
from kb.rendering import render_markdown
from kb.services import revert_article

if TYPE_CHECKING:
    from kb.admin.articles import ArticleAdmin

READ = Permission.ARTICLES_READ


def routes(admin: ArticleAdmin) -> list[URLPattern]:
    """The history, one revision, two compared, one brought back."""
    view = admin.admin_site.admin_view

    def history(request: HttpRequest, article_id: int) -> HttpResponse:
        article = article_or_404(request, article_id, READ)
        revisions = article.revisions.select_related("author").defer("body", "search")
        events = article.events.select_related("actor")[:50]
        return _page(admin, request, article, "revisions", revisions=revisions, events=events)

    def one(request: HttpRequest, article_id: int, number: int) -> HttpResponse:
        article = article_or_404(request, article_id, READ)
        revision = _revision_or_404(article, number)
        html = render_markdown(revision.body)
        return _page(admin, request, article, "revision", revision=revision, html=html)

    def difference(request: HttpRequest, article_id: int, number: int, other: int) -> HttpResponse:
        article = article_or_404(request, article_id, READ)
        old, new = _revision_or_404(article, other), _revision_or_404(article, number)
        return _page(admin, request, article, "diff", old=old, new=new, diff=compare(old, new))

    @require_POST
    def revert(request: HttpRequest, article_id: int, number: int) -> HttpResponse:
        article = article_or_404(request, article_id, Permission.ARTICLES_WRITE)
        saved = revert_article(
            article, revision=_revision_or_404(article, number), author=user_of(request)
        )
        said = f"Revision {saved.revision.number} says what revision {number} said."
        admin.log_change(request, article, said)
        admin.message_user(request, f"{said} It is not published yet.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:kb_article_change", args=[article_id]))

    top = "<int:article_id>/revisions/"
    return [
        path(top, view(history), name="kb_article_revisions"),
        path(f"{top}<int:number>/", view(one), name="kb_article_revision"),
        path(f"{top}<int:number>/diff/<int:other>/", view(difference), name="kb_article_diff"),
        path(f"{top}<int:number>/revert/", view(revert), name="kb_article_revert"),
    ]


def _revision_or_404(article: Article, number: int) -> Revision:
    revision = article.revisions.select_related("author").filter(number=number).first()
    if revision is None:
        raise Http404
    return revision


def _page(
    admin: ArticleAdmin, request: HttpRequest, article: Article, name: str, **more: Any
) -> HttpResponse:
    context = {
        **admin.admin_site.each_context(request),
        "title": str(article),
        "opts": admin.opts,
        "article": article,
        "may_write": may_in(request, Permission.ARTICLES_WRITE, article.workspace_id),
        **more,
    }
    return TemplateResponse(request, f"kb/admin/{name}.html", context)
