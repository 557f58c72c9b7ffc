"""Question sets and evaluation runs."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0001_initial"),
        ("kb", "0003_revisions_are_immutable"),
    ]

    operations = [
        migrations.CreateModel(
            name="QuestionSet",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("slug", models.SlugField(max_length=63)),
                ("description", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="question_sets",
                        to="kb.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="LabelledQuestion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("text", models.TextField()),
                ("history", models.JSONField(blank=True, default=list)),
                ("answerable", models.BooleanField(default=True)),
                ("language", models.CharField(blank=True, max_length=8)),
                ("kind", models.CharField(blank=True, max_length=60)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("imported", "Imported"),
                            ("manual", "By hand"),
                            ("curated", "Curated answer"),
                            ("feedback", "Feedback"),
                            ("trace", "Trace"),
                            ("playground", "Playground"),
                        ],
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "question_set",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to="chat.questionset",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="EvaluationRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dataset", models.CharField(max_length=200)),
                ("index_version_id", models.BigIntegerField()),
                ("index_version_number", models.PositiveIntegerField()),
                ("encoder", models.CharField(max_length=63)),
                ("fingerprint", models.CharField(max_length=300)),
                ("profile", models.CharField(max_length=63)),
                ("settings", models.JSONField(default=dict)),
                ("options", models.JSONField(blank=True, default=dict)),
                ("git_version", models.CharField(blank=True, max_length=80)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="running",
                        max_length=16,
                    ),
                ),
                ("done", models.PositiveIntegerField(default=0)),
                ("total", models.PositiveIntegerField(default=0)),
                ("measures", models.JSONField(blank=True, default=dict)),
                ("legs", models.JSONField(blank=True, default=dict)),
                ("groups", models.JSONField(blank=True, default=dict)),
                ("abstention", models.JSONField(blank=True, default=dict)),
                ("latency", models.JSONField(blank=True, default=dict)),
                ("error", models.TextField(blank=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="evaluation_runs",
                        to="kb.workspace",
                    ),
                ),
                (
                    "question_set",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="runs",
                        to="chat.questionset",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="ExpectedAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("relevance", models.PositiveSmallIntegerField(default=1)),
                ("quote", models.TextField(blank=True)),
                ("start", models.PositiveIntegerField(blank=True, null=True)),
                ("end", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "article",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="kb.article",
                    ),
                ),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="expected",
                        to="chat.labelledquestion",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("question", "article", "start", "end"),
                        name="expected_answer_unique",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("relevance__gte", 1)), name="expected_answer_relevant"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("end__isnull", True), ("start__isnull", True)),
                            models.Q(
                                ("end__gt", models.F("start")),
                                ("end__isnull", False),
                                ("start__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="expected_answer_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuestionOutcome",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("text", models.TextField()),
                ("answerable", models.BooleanField(default=True)),
                ("hidden", models.BooleanField(default=False)),
                ("measures", models.JSONField(default=dict)),
                (
                    "ranking",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("rank", models.PositiveSmallIntegerField(null=True)),
                ("span_found", models.BooleanField(null=True)),
                ("confidence", models.FloatField(null=True)),
                ("right", models.BooleanField(null=True)),
                ("answered", models.BooleanField(null=True)),
                ("evidence", models.JSONField(default=dict)),
                ("latency_ms", models.FloatField()),
                ("language", models.CharField(blank=True, max_length=8)),
                ("collection", models.CharField(blank=True, max_length=200)),
                ("length", models.CharField(blank=True, max_length=16)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="outcomes",
                        to="chat.evaluationrun",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "key"), name="outcome_once_per_question"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("confidence", None),
                            models.Q(("confidence__gte", 0), ("confidence__lte", 1)),
                            _connector="OR",
                        ),
                        name="outcome_confidence_probable",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="questionset",
            constraint=models.UniqueConstraint(
                fields=("workspace", "slug"), name="question_set_slug_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="questionset",
            constraint=models.UniqueConstraint(
                fields=("workspace", "name"), name="question_set_name_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="labelledquestion",
            constraint=models.UniqueConstraint(
                fields=("question_set", "key"), name="question_key_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="labelledquestion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "origin__in",
                        ["imported", "manual", "curated", "feedback", "trace", "playground"],
                    )
                ),
                name="question_origin_known",
            ),
        ),
        migrations.AddIndex(
            model_name="evaluationrun",
            index=models.Index(fields=["workspace", "-created_at"], name="evaluation_run_newest"),
        ),
        migrations.AddIndex(
            model_name="evaluationrun",
            index=models.Index(
                condition=models.Q(("state", "running")),
                fields=["lease_until"],
                name="evaluation_run_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="evaluationrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["running", "done", "failed", "cancelled"])),
                name="evaluation_run_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="evaluationrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("done__lte", models.F("total"))),
                name="evaluation_run_done_of_total",
            ),
        ),
        migrations.AddConstraint(
            model_name="evaluationrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "running"),
                    models.Q(("finished_at__isnull", False), ("lease", None)),
                    _connector="OR",
                ),
                name="evaluation_run_finished",
            ),
        ),
    ]
