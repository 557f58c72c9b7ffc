"""What a question went through, kept so that any answer can be explained."""

from __future__ import annotations

import uuid

from django.db import models

from kb.models import Workspace


class Trace(models.Model):
    """One question's way through the pipeline; `detail` is `chat.traces`' JSON form.

    A replay is a trace of its own that names the one it repeats, for as long as that exists.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="traces")
    question = models.TextField()
    index_version_id = models.BigIntegerField()
    encoder_fingerprint = models.CharField(max_length=300)
    profile = models.CharField(max_length=63)
    include_internal = models.BooleanField(default=False)
    answer = models.TextField(blank=True)
    abstained = models.BooleanField(null=True, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    detail = models.JSONField(default=dict)
    replay_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replays"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="trace_newest")]

    def __str__(self) -> str:
        return self.question[:80] or f"Question {str(self.id)[:8]} (no words kept)"
