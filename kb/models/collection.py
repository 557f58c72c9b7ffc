"""Groups of articles inside a workspace."""

from __future__ import annotations

from django.db import models

from kb.models.workspace import Workspace


class Collection(models.Model):
    """A named shelf of articles; an article stands on at most one."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="collections")
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=100)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "slug"], name="collection_slug_unique"),
        ]

    def __str__(self) -> str:
        return self.name
