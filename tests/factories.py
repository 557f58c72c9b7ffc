"""Rows that tests start from, made without the services they test."""

from __future__ import annotations

import hashlib
import itertools

from django.utils import timezone

from embeddings.models import IndexVersion
from embeddings.services.versions import ensure_first_version
from kb.models import Article, ArticleState, Audience, Revision, Workspace

_numbers = itertools.count(1)


def make_workspace(slug: str = "", *, encoder: str | None = None) -> Workspace:
    """A workspace with a live, empty index version."""
    slug = slug or f"workspace-{next(_numbers)}"
    workspace = Workspace.objects.create(slug=slug, name=slug.title())
    ensure_first_version(workspace, encoder=encoder)
    return workspace


def live(workspace: Workspace) -> IndexVersion:
    """The workspace's live version."""
    return workspace.index_versions.live().get()


def make_article(
    workspace: Workspace,
    *,
    title: str = "A title",
    body: str = "Some words to be found.",
    published: bool = True,
    language: str = "en",
    audience: str = Audience.PUBLIC,
    external_id: str | None = None,
) -> Article:
    """An article with one revision."""
    article = Article.objects.create(workspace=workspace, external_id=external_id)
    add_revision(
        article, title=title, body=body, published=published, language=language, audience=audience
    )
    return article


def add_revision(
    article: Article,
    *,
    title: str = "A title",
    body: str,
    published: bool = True,
    language: str = "en",
    audience: str = Audience.PUBLIC,
) -> Revision:
    """The next revision, published or not."""
    revision = Revision.objects.create(
        workspace=article.workspace,
        article=article,
        number=article.revisions.count() + 1,
        title=title,
        body=body,
        language=language,
        audience=audience,
        content_hash=hashlib.sha256(f"{title}{body}{language}{audience}".encode()).hexdigest(),
    )
    article.latest_revision = revision
    if published:
        article.published_revision, article.state = revision, ArticleState.PUBLISHED
        article.published_at = timezone.now()
    article.save()
    return revision
