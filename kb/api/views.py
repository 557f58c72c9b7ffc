"""`/api/v1/articles/`: a view parses, calls one service, answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from kb.access import (
    Permission,
    access_article,
    access_revision,
    articles_of,
    visible_revisions,
)
from kb.api.caller import caller_of
from kb.api.filters import ArticleFilter
from kb.api.serializers import (
    ArchiveInput,
    ArticleInput,
    ArticleSerializer,
    FreshnessSerializer,
    NewArticleInput,
    PublishInput,
    RevertInput,
    RevisionSerializer,
)
from kb.api.writes import write_article
from kb.indexing import indexing_status
from kb.models import Article, Revision
from kb.services import (
    archive_article,
    delete_article,
    publish_article,
    restore_article,
    revert_article,
    unpublish_article,
)
from kb.services.articles import SavedArticle

Rendered: TypeAlias = list[dict[str, Any]]  # `list` is a method of the view set below

READ, WRITE, PUBLISH = (
    Permission.ARTICLES_READ,
    Permission.ARTICLES_WRITE,
    Permission.ARTICLES_PUBLISH,
)


class ArticleViewSet(GenericViewSet[Article]):
    """Articles of the key's workspace; others do not exist."""

    serializer_class = ArticleSerializer
    filterset_class = ArticleFilter
    queryset = Article.objects.none()
    lookup_value_regex = r"\d{1,18}"

    def get_queryset(self) -> QuerySet[Article]:
        """Scoped by the key; a constant number of queries."""
        if getattr(self, "swagger_fake_view", False):
            return Article.objects.none()
        return articles_of(caller_of(self.request), READ).with_texts()

    def list(self, request: Request) -> Response:  # noqa: ARG002 - DRF's shape
        """Newest change first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self._render_many(page or []))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One article."""
        return Response(self._render(self._article(request, pk, READ)))

    @extend_schema(
        request=NewArticleInput, responses={201: ArticleSerializer, 200: ArticleSerializer}
    )
    def create(self, request: Request) -> Response:
        """A new article; with an `external_id` that exists, an update of that one (200)."""
        given = _validated(NewArticleInput(data=request.data))
        saved = write_article(caller_of(request), given, external_id=given.get("external_id"))
        return self._saved(request, saved)

    @extend_schema(request=ArticleInput, responses={201: ArticleSerializer, 200: ArticleSerializer})
    @action(detail=False, methods=["put"], url_path=r"by-external-id/(?P<external_id>.+)")
    def by_external_id(self, request: Request, external_id: str) -> Response:
        """Create or update by the id that the article has elsewhere."""
        given = _validated(ArticleInput(data=request.data))
        saved = write_article(caller_of(request), given, external_id=external_id)
        return self._saved(request, saved)

    @extend_schema(request=ArticleInput)
    def update(self, request: Request, pk: str) -> Response:
        """A new revision, unless the text is the same."""
        return self._write(request, pk, ArticleInput(data=request.data))

    @extend_schema(request=ArticleInput)
    def partial_update(self, request: Request, pk: str) -> Response:
        """A new revision with what is given; the rest stays."""
        return self._write(request, pk, ArticleInput(data=request.data, partial=True))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """For good, with all revisions; out of the very next answer."""
        delete_article(self._article(request, pk, WRITE))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=PublishInput, responses={200: ArticleSerializer, 202: ArticleSerializer})
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Publish the latest revision; 202 if it was not searchable within `wait`."""
        given = _validated(PublishInput(data=request.data or {}))
        article = self._article(request, pk, PUBLISH)
        publish_article(article, revision=self._revision(request, article, given))
        wait = given["wait"]
        searchable = not wait or indexing_status().wait([article.pk], timeout=wait)
        body = self._render(self._article(request, pk, READ))
        return Response(body, status=status.HTTP_200_OK if searchable else status.HTTP_202_ACCEPTED)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def unpublish(self, request: Request, pk: str) -> Response:
        """Out of the very next answer; the article becomes a draft."""
        unpublish_article(self._article(request, pk, PUBLISH))
        return Response(self._render(self._article(request, pk, READ)))

    @extend_schema(request=ArchiveInput)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Out of the very next answer, kept with its history."""
        given = _validated(ArchiveInput(data=request.data))
        archive_article(self._article(request, pk, PUBLISH), reason=given["reason"])
        return Response(self._render(self._article(request, pk, READ)))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """An archived article becomes a draft again."""
        restore_article(self._article(request, pk, PUBLISH))
        return Response(self._render(self._article(request, pk, READ)))

    @extend_schema(request=RevertInput)
    @action(detail=True, methods=["post"])
    def revert(self, request: Request, pk: str) -> Response:
        """A new revision with the text of an older one."""
        given = _validated(RevertInput(data=request.data))
        article = self._article(request, pk, WRITE)
        revision = access_revision(caller_of(request), article.pk, given["revision"], READ)
        revert_article(article, revision=revision)
        return Response(self._render(self._article(request, pk, READ)))

    @extend_schema(responses=RevisionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], filterset_class=None)
    def revisions(self, request: Request, pk: str) -> Response:
        """Every revision, newest first."""
        article = self._article(request, pk, READ)
        revisions = visible_revisions(caller_of(request), article)
        revisions = revisions.select_related("author").defer("search")
        page: Any = self.paginate_queryset(revisions)  # type: ignore[arg-type]  # of another model
        return self.get_paginated_response(RevisionSerializer(page, many=True).data)

    @extend_schema(responses=RevisionSerializer)
    @action(detail=True, methods=["get"], url_path=r"revisions/(?P<number>\d{1,9})")
    def revision(self, request: Request, pk: str, number: str) -> Response:
        """One revision by its number."""
        found = access_revision(caller_of(request), int(pk), int(number), READ)
        return Response(RevisionSerializer(found).data)

    @extend_schema(responses=FreshnessSerializer)
    @action(detail=True, methods=["get"])
    def freshness(self, request: Request, pk: str) -> Response:
        """Whether answers can use the published revision, since when, and if not, why."""
        article = self._article(request, pk, READ)
        found = indexing_status().freshness([article.pk])[article.pk]
        return Response(FreshnessSerializer(found).data)

    def _article(self, request: Request, pk: str, permission: Permission) -> Article:
        return access_article(caller_of(request), int(pk), permission)

    def _revision(
        self, request: Request, article: Article, given: dict[str, Any]
    ) -> Revision | None:
        if "revision" not in given:
            return None
        return access_revision(caller_of(request), article.pk, given["revision"], READ)

    def _write(self, request: Request, pk: str, body: Serializer[Any]) -> Response:
        given = _validated(body)
        article = self._article(request, pk, WRITE)
        return self._saved(request, write_article(caller_of(request), given, article=article))

    def _saved(self, request: Request, saved: SavedArticle) -> Response:
        article = self._article(request, str(saved.article.pk), READ)
        created = status.HTTP_201_CREATED if saved.created else status.HTTP_200_OK
        return Response(self._render(article), status=created)

    def _render(self, article: Article) -> dict[str, Any]:
        return self._render_many([article])[0]

    def _render_many(self, articles: Sequence[Article]) -> Rendered:
        freshness = indexing_status().freshness([article.pk for article in articles])
        context = {**self.get_serializer_context(), "freshness": freshness}
        rendered = ArticleSerializer(articles, many=True, context=context).data
        return [dict(each) for each in rendered]


def _validated(body: Serializer[Any]) -> dict[str, Any]:
    body.is_valid(raise_exception=True)
    validated: dict[str, Any] = body.validated_data
    return validated
