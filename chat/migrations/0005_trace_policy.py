"""How long traces are kept, and what they keep; replays name what they repeat."""

from __future__ import annotations

from typing import ClassVar

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """How long traces are kept, and what they keep; replays name what they repeat."""

    dependencies: ClassVar[list[tuple[str, str]]] = [
        ("chat", "0004_calibration"),
        ("kb", "0003_revisions_are_immutable"),
    ]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(
            model_name="trace",
            name="replay_of",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="replays",
                to="chat.trace",
            ),
        ),
        migrations.CreateModel(
            name="TracePolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "keep_days",
                    models.PositiveIntegerField(
                        default=90,
                        help_text="Older traces are deleted. 0 keeps them for good.",
                        validators=[django.core.validators.MaxValueValidator(3650)],
                    ),
                ),
                (
                    "redact",
                    models.BooleanField(
                        default=True,
                        help_text="E-mail addresses, phone, card and account numbers and secrets, before anything is stored.",
                        verbose_name="Mask personal data",
                    ),
                ),
                (
                    "keep_texts",
                    models.BooleanField(
                        default=True,
                        help_text="Off: only ids, scores and times. Such traces cannot be replayed.",
                        verbose_name="Keep the words",
                    ),
                ),
                (
                    "phone_regions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=2),
                        blank=True,
                        default=list,
                        help_text="Countries whose phone numbers are known without +, as codes such as DE, AT. Empty: by the workspace's language.",
                        size=20,
                    ),
                ),
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="trace_policy",
                        to="kb.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "trace policies",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("keep_days__lte", 3650)),
                        name="trace_keep_days_bounded",
                    )
                ],
            },
        ),
    ]
