"""Evaluation runs: questions asked of one index version with one profile, and how it went."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from chat.models.question_set import QuestionSet
from kb.models import Workspace


class RunState(models.TextChoices):
    """Where a run is in its life."""

    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class EvaluationRunQuerySet(models.QuerySet["EvaluationRun"]):
    """Reads, named as the question."""

    def left_alone(self, now: datetime) -> Self:
        """Running, but nobody holds the lease: not begun, or its worker died."""
        return self.filter(state=RunState.RUNNING).filter(
            Q(lease_until__isnull=True) | Q(lease_until__lt=now)
        )


class EvaluationRun(models.Model):
    """One run of a question set (or of a dataset's folder, by name) and its figures.

    All that decided the ranking is copied here, so that the run can be told apart from
    others after profile, version or set have changed. `left_to_ask` is what the outcomes do
    not hold yet: a run that was killed goes on from there. A worker owns the row while
    `lease` is its own token.

    `measures` and `legs` are means over the answerable questions, `groups` the same by
    language, collection and article length, `abstention` the risk-coverage figures (empty
    unless the run was asked for answers), `latency` milliseconds.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="evaluation_runs"
    )
    question_set = models.ForeignKey(
        QuestionSet, on_delete=models.SET_NULL, null=True, blank=True, related_name="runs"
    )
    dataset = models.CharField(max_length=200)
    index_version_id = models.BigIntegerField()
    index_version_number = models.PositiveIntegerField()
    encoder = models.CharField(max_length=63)
    fingerprint = models.CharField(max_length=300)
    profile = models.CharField(max_length=63)
    settings = models.JSONField(default=dict)
    options = models.JSONField(default=dict, blank=True)
    git_version = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.RUNNING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    measures = models.JSONField(default=dict, blank=True)
    legs = models.JSONField(default=dict, blank=True)
    groups = models.JSONField(default=dict, blank=True)
    abstention = models.JSONField(default=dict, blank=True)
    latency = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = EvaluationRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=RunState.values), name="evaluation_run_state_known"
            ),
            models.CheckConstraint(
                condition=Q(done__lte=F("total")), name="evaluation_run_done_of_total"
            ),
            models.CheckConstraint(
                condition=Q(state=RunState.RUNNING) | Q(finished_at__isnull=False, lease=None),
                name="evaluation_run_finished",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="evaluation_run_newest"),
            models.Index(
                fields=["lease_until"],
                condition=Q(state="running"),
                name="evaluation_run_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} · {self.profile} · {self.encoder} (run {self.pk})"


class QuestionOutcome(models.Model):
    """How one question fared in a run.

    `measures` holds each ranking's own (`fused` and the legs), empty for an unanswerable
    question; `ranking` the fused top ten as article ids; `rank` the place of the first
    relevant article, from 1. `span_found` says whether a labelled range lies in the context
    (None: none is labelled). With answers: `confidence`, whether the best answer is `right`
    (None: there was nothing to quote), and whether the profile's threshold let it out.
    """

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="outcomes")
    key = models.CharField(max_length=200)
    text = models.TextField()
    answerable = models.BooleanField(default=True)
    hidden = models.BooleanField(default=False)
    measures = models.JSONField(default=dict)
    ranking = ArrayField(models.BigIntegerField(), default=list)
    rank = models.PositiveSmallIntegerField(null=True)
    span_found = models.BooleanField(null=True)
    confidence = models.FloatField(null=True)
    right = models.BooleanField(null=True)
    answered = models.BooleanField(null=True)
    evidence = models.JSONField(default=dict)
    latency_ms = models.FloatField()
    language = models.CharField(max_length=8, blank=True)
    collection = models.CharField(max_length=200, blank=True)
    length = models.CharField(max_length=16, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="outcome_once_per_question"),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="outcome_confidence_probable",
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]
