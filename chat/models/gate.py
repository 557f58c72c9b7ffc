"""What a workspace asks of an index version before it may be cut over to, and the asking."""

from __future__ import annotations

from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from chat.models.evaluation import EvaluationRun
from chat.models.question_set import QuestionSet
from embeddings.models import IndexVersion, Verdict
from kb.models import Workspace

SHARE = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class GateMeasure(models.TextChoices):
    """What the rankings are judged by; `chat.evaluation.metrics` has the definitions."""

    NDCG_10 = "ndcg@10", "nDCG@10"
    MRR_10 = "mrr@10", "MRR@10"
    HIT_1 = "hit@1", "hit@1"
    RECALL_1 = "recall@1", "recall@1"
    RECALL_3 = "recall@3", "recall@3"
    RECALL_5 = "recall@5", "recall@5"
    RECALL_10 = "recall@10", "recall@10"


class GatePolicy(models.Model):
    """A workspace's own gate; without a row the defaults below hold.

    A version passes if, 95 times in 100, it is not worse than the live one by more than
    `margin`, and neither of its own vector legs fell by more than `leg_margin`: words that
    find everything do not hide vectors that find nothing. No `question_sets` means all of the
    workspace's. Where they hold fewer than `min_questions`, titles of articles are asked too.
    Unless `required`, a version passes whatever was found.
    """

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, related_name="gate_policy"
    )
    required = models.BooleanField(
        default=True,
        help_text="Off: what the gate finds is written down, but stops nothing.",
    )
    measure = models.CharField(
        max_length=16,
        choices=GateMeasure.choices,
        default=GateMeasure.NDCG_10,
        help_text="Of the first ten articles found, compared question by question.",
    )
    margin = models.FloatField(
        default=0.02,
        validators=SHARE,
        help_text="How much worse than the live version it may be: the 95 % interval of the "
        "difference must end above this much below zero.",
    )
    leg_margin = models.FloatField(
        "Margin of its vectors alone",
        default=0.1,
        validators=SHARE,
        help_text="How much worse passages and whole articles may be found by vectors alone.",
    )
    min_questions = models.PositiveIntegerField(
        "Least questions",
        default=30,
        validators=[MinValueValidator(1)],
        help_text="Where the sets have fewer that articles answer, titles are asked too.",
    )
    question_sets = models.ManyToManyField(
        QuestionSet,
        blank=True,
        related_name="+",
        help_text="None chosen: all of the workspace.",
    )

    class Meta:
        verbose_name_plural = "gate policies"
        constraints = [
            models.CheckConstraint(
                condition=Q(margin__gte=0, margin__lte=1), name="gate_margin_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(leg_margin__gte=0, leg_margin__lte=1),
                name="gate_leg_margin_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(min_questions__gte=1), name="gate_min_questions_positive"
            ),
            models.CheckConstraint(
                condition=Q(measure__in=GateMeasure.values), name="gate_measure_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Gate of {self.workspace}"


def gate_policy_of(workspace: Workspace) -> GatePolicy:
    """The workspace's policy, or the defaults (unsaved). One query."""
    policy = GatePolicy.objects.filter(workspace_id=workspace.pk).first()
    return policy or GatePolicy(workspace=workspace)


class JudgementQuerySet(models.QuerySet["Judgement"]):
    """Reads, named as the question."""

    def between(self, candidate: IndexVersion, against: IndexVersion) -> Self:
        """Of this pair, the newest first."""
        return self.filter(version=candidate, against=against).order_by("-pk")

    def unfinished(self) -> Self:
        """Still asking."""
        return self.filter(finished_at=None)


class Judgement(models.Model):
    """The asking that leads to a verdict: the same questions of two versions, in two runs.

    `policy` is what was asked for when it began, `basis` which questions were. It ends with a
    `verdict`, or with a `problem`; `retry_at` is when the sweep begins anew (None: never).
    `worked_at` is when somebody who goes on by himself last worked on it.
    """

    version = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="+")
    against = models.ForeignKey(IndexVersion, on_delete=models.CASCADE, related_name="+")
    live_run = models.ForeignKey(
        EvaluationRun, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    candidate_run = models.ForeignKey(
        EvaluationRun, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    policy = models.JSONField(default=dict)
    basis = models.JSONField(default=dict)
    verdict = models.OneToOneField(
        Verdict, on_delete=models.CASCADE, null=True, related_name="judgement"
    )
    problem = models.TextField(blank=True)
    retry_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = JudgementQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version"], condition=Q(finished_at=None), name="one_judgement_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=False) | Q(verdict=None),
                name="judgement_ends_with_its_verdict",
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.version_id} judged beside {self.against_id}"
