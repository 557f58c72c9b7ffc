"""Confidence fitted per workspace."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """Confidence fitted per workspace."""

    dependencies: ClassVar[list[tuple[str, str]]] = [("chat", "0003_curated_answers")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Calibration",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("encoder", models.CharField(max_length=63)),
                ("fingerprint", models.CharField(max_length=300)),
                ("generator", models.CharField(max_length=63)),
                ("coefficients", models.JSONField()),
                ("questions", models.PositiveIntegerField()),
                ("right", models.PositiveIntegerField()),
                ("auroc", models.FloatField()),
                ("calibration_error", models.FloatField()),
                ("figures", models.JSONField()),
                ("active", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="calibrations",
                        to="chat.evaluationrun",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calibrations",
                        to="kb.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-made_at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("active", True)),
                        fields=("workspace", "fingerprint", "generator"),
                        name="one_active_calibration",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("right__lte", models.F("questions"))),
                        name="calibration_right_of_questions",
                    ),
                ],
            },
        ),
    ]
