"""Articles: writing, and what surrounds it. Every write goes through `kb.services`."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse

from kb.access import Permission
from kb.admin import article_actions, revisions
from kb.admin.article_form import ArticleForm
from kb.admin.article_list import ArticleListAdmin
from kb.admin.scope import may_in, user_of
from kb.admin.status import status_context
from kb.models import Article
from kb.rendering import render_markdown
from kb.services import delete_article, publish_article, save_article


@admin.register(Article)
class ArticleAdmin(ArticleListAdmin):
    """Editors write, reviewers publish; others read."""

    view_permission = Permission.ARTICLES_READ
    add_permission = Permission.ARTICLES_WRITE
    change_permission = Permission.ARTICLES_WRITE
    delete_permission = Permission.ARTICLES_WRITE
    form = ArticleForm
    change_form_template = "kb/admin/article_form.html"
    warn_unsaved_form = True
    fields = [
        "workspace", "title", "body", "language", "audience", "collection", "tags",
        "change_note", "base_revision",
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Status, preview, changes of state and revisions beside Django's own."""
        return [*article_actions.routes(self), *revisions.routes(self), *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """An article never moves to another workspace."""
        return ["workspace"] if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form knows who is asking."""
        kwargs["fields"] = ["workspace", "collection"]
        made = super().get_form(request, obj, change, **kwargs)
        return type("RequestArticleForm", (made,), {"request": request})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form for who may write, the article as readers see it for others."""
        article = self.get_object(request, object_id)
        if article is None or self.has_change_permission(request, article):
            return super().change_view(request, object_id, form_url, extra_context)
        return self._reading_page(request, article)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the status panel and what the person may do."""
        article: Article | None = kwargs.get("obj")
        context.update(self._around(request, article))
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Article, form: Any, change: bool) -> None:
        """Through the services; the form has checked permission, text and conflict."""
        saved = save_article(
            form.place,
            text=form.text,
            article=obj if change else None,
            collection=form.cleaned_data.get("collection"),
            tags=form.tag_list,
            author=user_of(request),
            change_note=form.cleaned_data.get("change_note", ""),
        )
        article = saved.article
        if form.wants_to_publish:
            article = publish_article(article, actor=user_of(request))
        obj.__dict__.update(article.__dict__)

    def response_add(
        self, request: HttpRequest, obj: Model, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Stay with the article, to see it become searchable."""
        return self._stay(request, obj)

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        """As above."""
        return self._stay(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Named alone: revisions and index entries go with their article."""
        names = [str(article) for article in objs]
        return names, {"articles": len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Article) -> None:
        """Through the service, which tells the index."""
        delete_article(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Article]) -> None:
        """Likewise, one by one."""
        for article in queryset:
            delete_article(article)

    def _stay(self, request: HttpRequest, obj: Model) -> HttpResponse:
        published = "_publish" in request.POST
        self.message_user(
            request, "Saved and published." if published else "Saved.", messages.SUCCESS
        )
        return HttpResponseRedirect(reverse("admin:kb_article_change", args=[obj.pk]))

    def _around(self, request: HttpRequest, article: Article | None) -> dict[str, Any]:
        place = article.workspace_id if article else None
        anywhere = article is None and bool(self.has_add_permission(request))
        publish = Permission.ARTICLES_PUBLISH
        return {
            "article": article,
            "may_publish": may_in(request, publish, place) if article else anywhere,
            **(status_context(request, article) if article else {}),
        }

    def _reading_page(self, request: HttpRequest, article: Article) -> HttpResponse:
        revision = article.latest_revision
        context = {
            **self.admin_site.each_context(request),
            **self._around(request, article),
            "title": str(article),
            "opts": self.opts,
            "original": article,
            "html": render_markdown(revision.body) if revision else "",
        }
        return TemplateResponse(request, "kb/admin/article_read.html", context)
