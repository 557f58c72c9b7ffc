"""Live questions asked of a candidate too: what both made of them."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from chat.models.trace import Trace
from embeddings.models import IndexVersion


class ShadowComparisonQuerySet(models.QuerySet["ShadowComparison"]):
    """Reads, named as the question."""

    def most_different_first(self) -> Self:
        """Answered by one alone, then another article in first place, then little in common."""
        alike = self.annotate(answered_alike=Q(live_answered=F("candidate_answered")))
        return alike.order_by("answered_alike", "same_top", "overlap", "-pk")


class ShadowComparison(models.Model):
    """One question; only numbers and ids: its words are the trace's, and it goes with it.

    `same_top`: the same article leads, or none was found by either. `overlap` is the share of
    the first few articles (`chat.shadow.asking.DEPTH`) that both found, `*_ms` what retrieving
    and answering took (the candidate's on a worker).
    """

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="shadows")
    live = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="+")
    candidate = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="shadows")
    same_top = models.BooleanField()
    overlap = models.FloatField()
    live_answered = models.BooleanField()
    candidate_answered = models.BooleanField()
    live_confidence = models.FloatField()
    candidate_confidence = models.FloatField()
    live_ranking = ArrayField(models.BigIntegerField(), default=list)
    candidate_ranking = ArrayField(models.BigIntegerField(), default=list)
    live_ms = models.FloatField()
    candidate_ms = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShadowComparisonQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["trace", "candidate"], name="shadow_once_per_question"),
            models.CheckConstraint(
                condition=Q(overlap__gte=0, overlap__lte=1), name="shadow_overlap_is_a_share"
            ),
        ]

    def __str__(self) -> str:
        return f"Question {str(self.trace_id)[:8]} of version {self.candidate_id}"
