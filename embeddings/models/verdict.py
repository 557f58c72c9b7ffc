"""The judgement on a version, beside the live one of that time."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F

from embeddings.models.index_version import IndexVersion


class VerdictQuerySet(models.QuerySet["Verdict"]):
    """Reads, named as the question."""

    def standing(self) -> Self:
        """Neither withdrawn, nor older than their version's present state: what was found before
        a version went live says nothing of one that was rolled back from."""
        return self.filter(withdrawn=False, created_at__gte=F("version__state_since"))

    def between(self, candidate: IndexVersion, against: IndexVersion) -> Self:
        """Of this pair those that count, the newest first."""
        return self.standing().filter(version=candidate, against=against).order_by("-pk")


class Verdict(models.Model):
    """Whether `version` may replace `against`, by questions with known answers.

    Written by who can ask questions (`chat.evaluation`); a cut-over only reads `allowed`.
    `differences` are version minus against, with intervals; `worst` the questions that fared
    worse, worst first; `policy` what was asked of it, as it was then. `withdrawn` once the
    workspace asks for something else.
    """

    version = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="verdicts")
    against = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="+")
    allowed = models.BooleanField()
    summary = models.TextField()
    differences = models.JSONField(default=dict)
    worst = models.JSONField(default=list)
    policy = models.JSONField(default=dict)
    runs = models.JSONField(default=list)
    withdrawn = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = VerdictQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{'Allowed' if self.allowed else 'Refused'}: {self.summary}"
