"""Conversations, their messages, and what the answers cite."""

from __future__ import annotations

import uuid

from django.db import models

from chat.models.trace import Trace
from kb.models import ApiKey, Workspace


class Conversation(models.Model):
    """A visitor's talk with a workspace's bot."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="conversations")
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="+")
    include_internal = models.BooleanField(default=False)
    language = models.CharField(max_length=8, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Conversation {str(self.id)[:8]}"


class MessageRole(models.TextChoices):
    """Who said it."""

    VISITOR = "visitor", "Visitor"
    ASSISTANT = "assistant", "Assistant"


class Message(models.Model):
    """One turn, numbered from 1. Assistant messages carry the trace that explains them.

    `reason` says why an abstaining message has no answer (`chat.answering.base.Reason`).
    `curated_id` is that of the approved answer that was given (a plain id: it may be gone).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    number = models.PositiveIntegerField()
    role = models.CharField(max_length=16, choices=MessageRole.choices)
    text = models.TextField()
    abstained = models.BooleanField(default=False)
    reason = models.CharField(max_length=32, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    curated_id = models.BigIntegerField(null=True, blank=True)
    trace = models.ForeignKey(Trace, on_delete=models.SET_NULL, null=True, related_name="messages")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "number"], name="message_number_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=MessageRole.values), name="message_role_known"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]

    @property
    def curated(self) -> bool:
        """Whether it is a curated answer, approved by a person as a whole."""
        return self.curated_id is not None


class Citation(models.Model):
    """A quote of an article: `quote == revision.body[start:end]`.

    Article and revision are plain ids with the words copied beside them: an answer that
    was given keeps saying what it quoted after the article is gone.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="citations")
    number = models.PositiveSmallIntegerField()
    article_id = models.BigIntegerField()
    revision_id = models.BigIntegerField()
    external_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as in the article
    title = models.CharField(max_length=300)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    quote = models.TextField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["message", "number"], name="citation_number_unique"),
        ]

    def __str__(self) -> str:
        return f"[{self.number}] {self.title}"
