"""Immutable snapshots of an article."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from kb.languages import Language
from kb.models.workspace import Workspace
from kb.search_vector import search_vector_expression


class Audience(models.TextChoices):
    """Who may be shown the text."""

    PUBLIC = "public", "Public"
    INTERNAL = "internal", "Internal"


class Revision(models.Model):
    """What an article said at one time: written once, never updated.

    `body` is Markdown with `\\n` line ends; every character offset in the product
    (passages, citations) counts Python characters of this very string.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    article = models.ForeignKey("kb.Article", on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    body = models.TextField()
    language = models.CharField(max_length=8, choices=Language.choices)
    audience = models.CharField(max_length=16, choices=Audience.choices)
    content_hash = models.CharField(max_length=64)
    change_note = models.CharField(max_length=500, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    search = models.GeneratedField(
        expression=search_vector_expression(),
        output_field=SearchVectorField(),
        db_persist=True,
        editable=False,
    )

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["article", "number"], name="revision_number_unique"),
            models.CheckConstraint(
                condition=models.Q(audience__in=Audience.values), name="revision_audience_known"
            ),
        ]
        indexes = [
            GinIndex(fields=["search"], name="revision_search"),
            models.Index(fields=["language", "audience", "workspace"], name="revision_by_language"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (revision {self.number})"
