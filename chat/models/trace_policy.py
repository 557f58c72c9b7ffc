"""What a workspace keeps of its visitors' questions, and for how long."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models

from kb.models import Workspace

DEFAULT_KEEP_DAYS = 90
MAX_KEEP_DAYS = 3650


class TracePolicy(models.Model):
    """A workspace's own rules for its traces; without a row the defaults below hold.

    `keep_days` of 0 keeps traces for good. `redact` masks personal data before a trace is
    stored; without `keep_texts` no words are stored at all. What was stored stays as it is.
    """

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, related_name="trace_policy"
    )
    keep_days = models.PositiveIntegerField(
        default=DEFAULT_KEEP_DAYS,
        validators=[MaxValueValidator(MAX_KEEP_DAYS)],
        help_text="Older traces are deleted. 0 keeps them for good.",
    )
    redact = models.BooleanField(
        "Mask personal data",
        default=True,
        help_text="E-mail addresses, phone, card and account numbers and secrets, "
        "before anything is stored.",
    )
    keep_texts = models.BooleanField(
        "Keep the words",
        default=True,
        help_text="Off: only ids, scores and times. Such traces cannot be replayed.",
    )
    phone_regions = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        size=20,
        help_text="Countries whose phone numbers are known without +, as codes such as DE, AT. "
        "Empty: by the workspace's language.",
    )

    class Meta:
        verbose_name_plural = "trace policies"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(keep_days__lte=MAX_KEEP_DAYS), name="trace_keep_days_bounded"
            ),
        ]

    def __str__(self) -> str:
        return f"Traces of {self.workspace}"


def policy_of(workspace: Workspace) -> TracePolicy:
    """The workspace's policy, or the defaults (unsaved). One query."""
    policy = TracePolicy.objects.filter(workspace_id=workspace.pk).first()
    return policy or TracePolicy(workspace=workspace)
