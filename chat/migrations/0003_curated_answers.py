"""Curated answers: their questions, vectors and sources; messages say which one they gave."""

import django.db.models.deletion
import pgvector.django.halfvec
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0002_evaluation"),
        ("embeddings", "0002_vectors"),
        ("kb", "0003_revisions_are_immutable"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="curated_id",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="CuratedAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.TextField()),
                (
                    "language",
                    models.CharField(
                        choices=[
                            ("ar", "Arabic"),
                            ("zh", "Chinese"),
                            ("da", "Danish"),
                            ("nl", "Dutch"),
                            ("en", "English"),
                            ("fi", "Finnish"),
                            ("fr", "French"),
                            ("de", "German"),
                            ("el", "Greek"),
                            ("hi", "Hindi"),
                            ("hu", "Hungarian"),
                            ("it", "Italian"),
                            ("ja", "Japanese"),
                            ("ko", "Korean"),
                            ("no", "Norwegian"),
                            ("pl", "Polish"),
                            ("pt", "Portuguese"),
                            ("ro", "Romanian"),
                            ("ru", "Russian"),
                            ("es", "Spanish"),
                            ("sv", "Swedish"),
                            ("tr", "Turkish"),
                            ("und", "Other"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "audience",
                    models.CharField(
                        choices=[("public", "Public"), ("internal", "Internal")],
                        default="public",
                        max_length=16,
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("valid_until", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="kb.collection",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="curated_answers",
                        to="kb.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-updated_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="CuratedQuestion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("text", models.CharField(max_length=1000)),
                ("key", models.CharField(editable=False, max_length=64)),
                (
                    "answer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to="chat.curatedanswer",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="kb.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["position", "pk"],
            },
        ),
        migrations.CreateModel(
            name="CuratedSource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "answer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sources",
                        to="chat.curatedanswer",
                    ),
                ),
                (
                    "article",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="kb.article",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="CuratedVector",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fingerprint", models.CharField(max_length=300)),
                ("embedding", pgvector.django.halfvec.HalfVectorField(null=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="vectors",
                        to="chat.curatedquestion",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="curatedanswer",
            index=models.Index(fields=["workspace", "enabled"], name="curated_by_workspace"),
        ),
        migrations.AddConstraint(
            model_name="curatedanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(("audience__in", ["public", "internal"])),
                name="curated_audience_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="curatedquestion",
            constraint=models.UniqueConstraint(
                fields=("workspace", "key"), name="curated_question_asked_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="curatedsource",
            constraint=models.UniqueConstraint(
                fields=("answer", "article"), name="curated_source_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="curatedvector",
            constraint=models.UniqueConstraint(
                fields=("question", "fingerprint"), name="curated_vector_once"
            ),
        ),
    ]
