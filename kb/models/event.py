"""What was done to an article beside its text: who, when and why."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from kb.models.article import Article


class EventKind(models.TextChoices):
    """Changes of state."""

    PUBLISHED = "published", "Published"
    UNPUBLISHED = "unpublished", "Unpublished"
    ARCHIVED = "archived", "Archived"
    RESTORED = "restored", "Restored"


class ArticleEvent(models.Model):
    """One change of state. The note is the reason, or the revision's number."""

    article = models.ForeignKey(Article, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=16, choices=EventKind.choices)
    note = models.CharField(max_length=500, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"
