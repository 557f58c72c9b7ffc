"""The judgement on a version, beside the live one of that time."""

from __future__ import annotations

from typing import Self

from django.db import models

from embeddings.models.index_version import IndexVersion


class VerdictQuerySet(models.QuerySet["Verdict"]):
    """Reads, named as the question."""

    def between(self, candidate: IndexVersion, against: IndexVersion) -> Self:
        """Of this pair, the newest first."""
        return self.filter(version=candidate, against=against).order_by("-pk")


class Verdict(models.Model):
    """Whether `version` may replace `against`, by questions with known answers.

    Written by who can ask questions (`chat.evaluation`); a cut-over only reads `allowed`.
    `differences` are version minus against, with intervals; `worst` the questions that fared
    worse, worst first; `policy` what was asked of it, as it was then.
    """

    version = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="verdicts")
    against = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="+")
    allowed = models.BooleanField()
    summary = models.TextField()
    differences = models.JSONField(default=dict)
    worst = models.JSONField(default=list)
    policy = models.JSONField(default=dict)
    runs = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = VerdictQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{'Allowed' if self.allowed else 'Refused'}: {self.summary}"
