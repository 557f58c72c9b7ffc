"""Saved settings of the retrieval pipeline."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from kb.models import Workspace


class RetrievalProfile(models.Model):
    """Settings by name; a workspace's own row shadows the shipped profile of that name.

    `settings` holds the fields of `chat.retrieval.settings.PipelineSettings` that differ
    from the shipped default; it is checked against that class when saved.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="retrieval_profiles"
    )
    name = models.SlugField(max_length=63)
    settings = models.JSONField(default=dict, blank=True)
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="profile_name_unique"),
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(is_default=True), name="one_default_profile"
            ),
        ]

    def __str__(self) -> str:
        return self.name
