"""The confidence of a workspace's answers, fitted to its own questions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django.db import models
from django.db.models import F, Q

from chat.models.evaluation import EvaluationRun
from kb.models import Workspace


class CalibrationQuerySet(models.QuerySet["Calibration"]):
    """Reads, named as the question."""

    def in_use(self, *, workspace_id: int, fingerprint: str, generator: str) -> Self:
        """The active one for answers of this generator over vectors of this encoder."""
        return self.filter(
            active=True, workspace=workspace_id, fingerprint=fingerprint, generator=generator
        )


class Calibration(models.Model):
    """Coefficients of `chat.answering.confidence` for one encoder and generator.

    `coefficients` has the `bias` and a value by name of each feature. `questions` were fitted
    on, `right` of them answered right; `auroc` (of right answers) and `calibration_error` are
    cross-validated, and `figures` hold the rest beside the shipped coefficients' own
    (`chat.services.calibration` makes them). `reason` says why one is not active.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="calibrations")
    run = models.ForeignKey(
        EvaluationRun,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="calibrations",
    )
    encoder = models.CharField(max_length=63)
    fingerprint = models.CharField(max_length=300)
    generator = models.CharField(max_length=63)
    coefficients = models.JSONField()
    questions = models.PositiveIntegerField()
    right = models.PositiveIntegerField()
    auroc = models.FloatField()
    calibration_error = models.FloatField()
    figures = models.JSONField()
    active = models.BooleanField(default=False)
    reason = models.CharField(max_length=300, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)

    objects = CalibrationQuerySet.as_manager()

    class Meta:
        ordering = ["-made_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "fingerprint", "generator"],
                condition=Q(active=True),
                name="one_active_calibration",
            ),
            models.CheckConstraint(
                condition=Q(right__lte=F("questions")), name="calibration_right_of_questions"
            ),
        ]

    def __str__(self) -> str:
        return f"Calibration {self.pk}"

    @property
    def features(self) -> list[str]:
        """What the confidence is judged by."""
        return sorted(set(self.coefficients) - {"bias"})

    def fits(self, evidence: Collection[str]) -> bool:
        """Whether the evidence of an answer has every feature."""
        return set(self.features) <= set(evidence)
