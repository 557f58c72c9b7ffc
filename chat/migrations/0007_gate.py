"""The gate before a cut-over, and live questions asked of a candidate too."""

from __future__ import annotations

from typing import ClassVar

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """Three tables."""

    dependencies: ClassVar[list[tuple[str, str]]] = [
        ("chat", "0006_question_keys"),
        ("embeddings", "0006_life"),
        ("kb", "0005_words"),
    ]

    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="GatePolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "required",
                    models.BooleanField(
                        default=True,
                        help_text="Off: what the gate finds is written down, but stops nothing.",
                    ),
                ),
                (
                    "measure",
                    models.CharField(
                        choices=[
                            ("ndcg@10", "nDCG@10"),
                            ("mrr@10", "MRR@10"),
                            ("hit@1", "hit@1"),
                            ("recall@1", "recall@1"),
                            ("recall@3", "recall@3"),
                            ("recall@5", "recall@5"),
                            ("recall@10", "recall@10"),
                        ],
                        default="ndcg@10",
                        help_text="Of the first ten articles found, compared question by question.",
                        max_length=16,
                    ),
                ),
                (
                    "margin",
                    models.FloatField(
                        default=0.02,
                        help_text="How much worse than the live version it may be: the 95 % interval of the difference must end above this much below zero.",
                        validators=[
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                (
                    "leg_margin",
                    models.FloatField(
                        default=0.1,
                        help_text="How much worse passages and whole articles may be found by vectors alone.",
                        validators=[
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                        verbose_name="Margin of its vectors alone",
                    ),
                ),
                (
                    "min_questions",
                    models.PositiveIntegerField(
                        default=30,
                        help_text="Where the sets have fewer that articles answer, titles are asked too.",
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="Least questions",
                    ),
                ),
                (
                    "question_sets",
                    models.ManyToManyField(
                        blank=True,
                        help_text="None chosen: all of the workspace.",
                        related_name="+",
                        to="chat.questionset",
                    ),
                ),
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gate_policy",
                        to="kb.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "gate policies",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("margin__gte", 0), ("margin__lte", 1)),
                        name="gate_margin_is_a_share",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("leg_margin__gte", 0), ("leg_margin__lte", 1)),
                        name="gate_leg_margin_is_a_share",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("min_questions__gte", 1)),
                        name="gate_min_questions_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "measure__in",
                                [
                                    "ndcg@10",
                                    "mrr@10",
                                    "hit@1",
                                    "recall@1",
                                    "recall@3",
                                    "recall@5",
                                    "recall@10",
                                ],
                            )
                        ),
                        name="gate_measure_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Judgement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("policy", models.JSONField(default=dict)),
                ("basis", models.JSONField(default=dict)),
                ("problem", models.TextField(blank=True)),
                ("retry_at", models.DateTimeField(null=True)),
                ("worked_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "against",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="embeddings.indexversion",
                    ),
                ),
                (
                    "candidate_run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="chat.evaluationrun",
                    ),
                ),
                (
                    "live_run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="chat.evaluationrun",
                    ),
                ),
                (
                    "verdict",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="judgement",
                        to="embeddings.verdict",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="embeddings.indexversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("finished_at", None)),
                        fields=("version",),
                        name="one_judgement_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("finished_at__isnull", False), ("verdict", None), _connector="OR"
                        ),
                        name="judgement_ends_with_its_verdict",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ShadowComparison",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("same_top", models.BooleanField()),
                ("overlap", models.FloatField()),
                ("live_answered", models.BooleanField()),
                ("candidate_answered", models.BooleanField()),
                ("live_confidence", models.FloatField()),
                ("candidate_confidence", models.FloatField()),
                (
                    "live_ranking",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                (
                    "candidate_ranking",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("live_ms", models.FloatField()),
                ("candidate_ms", models.FloatField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "candidate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shadows",
                        to="embeddings.indexversion",
                    ),
                ),
                (
                    "live",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="embeddings.indexversion",
                    ),
                ),
                (
                    "trace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shadows",
                        to="chat.trace",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("trace", "candidate"), name="shadow_once_per_question"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("overlap__gte", 0), ("overlap__lte", 1)),
                        name="shadow_overlap_is_a_share",
                    ),
                ],
            },
        ),
    ]
