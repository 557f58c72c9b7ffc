"""Questions whose answers are known: what a team measures its own retrieval with."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from kb.models import Article, Workspace


class QuestionOrigin(models.TextChoices):
    """Where a labelled question came from."""

    IMPORTED = "imported", "Imported"
    MANUAL = "manual", "By hand"
    CURATED = "curated", "Curated answer"
    FEEDBACK = "feedback", "Feedback"
    TRACE = "trace", "Trace"
    PLAYGROUND = "playground", "Playground"


class QuestionSet(models.Model):
    """Named questions of one workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="question_sets")
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=63)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "slug"], name="question_set_slug_unique"),
            models.UniqueConstraint(fields=["workspace", "name"], name="question_set_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class LabelledQuestionQuerySet(models.QuerySet["LabelledQuestion"]):
    """Reads, named as the question."""

    def without_a_place(self) -> Self:
        """Answerable questions whose articles were all deleted: nothing to judge them by."""
        return self.filter(answerable=True, expected__isnull=True)


class LabelledQuestion(models.Model):
    """A question, and whether the articles answer it.

    `history` holds the turns before it, oldest first, each `{"role", "text"}` as in
    `chat.retrieval.conversation.Turn`. `language` empty means that of the articles expected.
    """

    question_set = models.ForeignKey(
        QuestionSet, on_delete=models.CASCADE, related_name="questions"
    )
    key = models.CharField(max_length=200)
    text = models.TextField()
    history = models.JSONField(default=list, blank=True)
    answerable = models.BooleanField(default=True)
    language = models.CharField(max_length=8, blank=True)
    kind = models.CharField(max_length=60, blank=True)
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    origin = models.CharField(max_length=16, choices=QuestionOrigin.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LabelledQuestionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["question_set", "key"], name="question_key_unique"),
            models.CheckConstraint(
                condition=Q(origin__in=QuestionOrigin.values), name="question_origin_known"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class ExpectedAnswer(models.Model):
    """One place that answers a question: an article, and what of it.

    `quote` is the anchor: `start` and `end` are where it stood in the text when it was
    labelled, and it is looked for again in whatever is published when a run asks.
    """

    question = models.ForeignKey(
        LabelledQuestion, on_delete=models.CASCADE, related_name="expected"
    )
    article = models.ForeignKey(Article, on_delete=models.CASCADE, related_name="+")
    relevance = models.PositiveSmallIntegerField(default=1)
    quote = models.TextField(blank=True)
    start = models.PositiveIntegerField(null=True, blank=True)
    end = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["question", "article", "start", "end"],
                nulls_distinct=False,
                name="expected_answer_unique",
            ),
            models.CheckConstraint(condition=Q(relevance__gte=1), name="expected_answer_relevant"),
            models.CheckConstraint(
                condition=Q(start__isnull=True, end__isnull=True)
                | Q(start__isnull=False, end__isnull=False, end__gt=F("start")),
                name="expected_answer_range",
            ),
        ]

    def __str__(self) -> str:
        return self.quote[:80] or f"Article {self.article_id}"
