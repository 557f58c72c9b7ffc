"""Articles: the thing that is edited, published and searched."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from kb.models.collection import Collection
from kb.models.revision import Audience, Revision
from kb.models.workspace import Workspace


class ArticleState(models.TextChoices):
    """`published` if and only if a revision is published (a database constraint)."""

    DRAFT = "draft", "Draft"
    PUBLISHED = "published", "Published"
    ARCHIVED = "archived", "Archived"


class ArticleQuerySet(models.QuerySet["Article"]):
    """Reads, named as the question."""

    def in_workspace(self, workspace: Workspace) -> Self:
        """Articles of one tenant."""
        return self.filter(workspace=workspace)

    def published(self) -> Self:
        """Articles with a published revision."""
        return self.filter(published_revision__isnull=False)

    def with_unpublished_changes(self) -> Self:
        """Published articles whose latest revision is not the published one."""
        return self.published().exclude(latest_revision=F("published_revision"))

    def with_texts(self) -> Self:
        """With collection and both revisions joined, without their search vectors.

        Those are as big as the texts and nobody shows them.
        """
        joined = self.select_related("collection", "latest_revision", "published_revision")
        return joined.defer("latest_revision__search", "published_revision__search")

    def visible(self, *, include_internal: bool) -> Self:
        """Articles whose latest revision may be shown to this reader."""
        if include_internal:
            return self
        return self.exclude(
            Q(latest_revision__audience=Audience.INTERNAL)
            | Q(published_revision__audience=Audience.INTERNAL)
        )


class Article(models.Model):
    """An article of a workspace; its text lives in revisions.

    `latest_revision` is what editors see, `published_revision` what answers may use.
    Both are null only inside the transaction that creates the article. Revisions go
    only with their article, in one statement: the two columns are DO_NOTHING (their
    foreign keys are checked at commit), since SET_NULL would break the state constraint
    on the way.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="articles")
    collection = models.ForeignKey(
        Collection, on_delete=models.SET_NULL, null=True, blank=True, related_name="articles"
    )
    external_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - unique where given
    source = models.CharField(max_length=200, blank=True)
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    state = models.CharField(
        max_length=16, choices=ArticleState.choices, default=ArticleState.DRAFT
    )
    latest_revision = models.OneToOneField(
        Revision, on_delete=models.DO_NOTHING, null=True, related_name="latest_of"
    )
    published_revision = models.OneToOneField(
        Revision,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="published_of",
    )
    published_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ArticleQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "external_id"], name="article_external_id_unique"
            ),
            models.CheckConstraint(
                condition=Q(state=ArticleState.PUBLISHED, published_revision__isnull=False)
                | Q(
                    state__in=[ArticleState.DRAFT, ArticleState.ARCHIVED],
                    published_revision__isnull=True,
                ),
                name="published_means_a_revision",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "state"], name="article_by_state"),
            GinIndex(fields=["tags"], name="article_by_tag"),
            models.Index(fields=["workspace", "source"], name="article_by_source"),
            models.Index(fields=["workspace", "published_at"], name="article_by_published"),
        ]

    def __str__(self) -> str:
        return self.latest_revision.title if self.latest_revision else f"Article {self.pk}"
