"""Curated answers: what a person approved to be said to a question, word for word."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from pgvector.django import HalfVectorField

from kb.languages import Language
from kb.models import Article, Audience, Collection, Workspace

# What may stand around a question without making it another one; a dot before it does (.5).
FIRST_MARKS = " ¿¡"
END_MARKS = " ?!.…。"
WIDTHS = ("<wide>", "<narrow>")


def question_key(text: str) -> str:
    """The same for questions that differ in case, width, white space or end marks only; what
    stands for something else (², ½, .5) makes another one."""
    usual = "".join(map(_usual_width, text)).casefold()
    folded = " ".join(unicodedata.normalize("NFC", usual).split())
    bare = folded.lstrip(FIRST_MARKS).rstrip(END_MARKS)
    return hashlib.sha256((bare or folded).encode()).hexdigest()


def _usual_width(character: str) -> str:
    if unicodedata.decomposition(character).startswith(WIDTHS):
        return unicodedata.normalize("NFKC", character)
    return character


class CuratedAnswerQuerySet(models.QuerySet["CuratedAnswer"]):
    """Reads, named as the question."""

    def in_workspace(self, workspace: Workspace) -> Self:
        """Answers of one tenant."""
        return self.filter(workspace=workspace)

    def visible(self, *, include_internal: bool) -> Self:
        """Answers that this reader may be shown."""
        return self if include_internal else self.filter(audience=Audience.PUBLIC)

    def expired(self) -> Self:
        """Answers whose time is over."""
        return self.filter(valid_until__lte=timezone.now())

    def without_ground(self, *, include_internal: bool = True) -> Self:
        """Answers of which a source is not published (any more), or not for this reader."""
        gone = Q(article__published_revision__isnull=True)
        if not include_internal:
            gone |= Q(article__published_revision__audience=Audience.INTERNAL)
        sources = CuratedSource.objects.filter(gone, answer=OuterRef("pk"))
        return self.filter(Exists(sources))

    def answering(self, workspace: Workspace, *, include_internal: bool) -> Self:
        """Answers that may be given to this reader at this moment."""
        mine = self.in_workspace(workspace).visible(include_internal=include_internal)
        stale = CuratedAnswer.objects.without_ground(include_internal=include_internal)
        return (
            mine.filter(enabled=True)
            .filter(Q(valid_until__isnull=True) | Q(valid_until__gt=timezone.now()))
            .exclude(pk__in=stale.in_workspace(workspace).values("pk"))
        )


class CuratedAnswer(models.Model):
    """An approved answer in Markdown, and the articles that it stands on, if any.

    It answers while it is enabled, its time is not over and every source is published.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="curated_answers"
    )
    text = models.TextField()
    language = models.CharField(max_length=8, choices=Language.choices)
    audience = models.CharField(max_length=16, choices=Audience.choices, default=Audience.PUBLIC)
    collection = models.ForeignKey(
        Collection, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    enabled = models.BooleanField(default=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CuratedAnswerQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(audience__in=Audience.values), name="curated_audience_known"
            ),
        ]
        indexes = [models.Index(fields=["workspace", "enabled"], name="curated_by_workspace")]

    def __str__(self) -> str:
        return self.main_question

    @property
    def main_question(self) -> str:
        """The first way to ask it."""
        return next((question.text for question in self.questions.all()), f"Answer {self.pk}")


class CuratedSource(models.Model):
    """An article that an answer stands on; without one, the article was deleted since.

    The row outlives the article, so that its answer stays withdrawn until somebody looks.
    """

    answer = models.ForeignKey(CuratedAnswer, on_delete=models.CASCADE, related_name="sources")
    article = models.ForeignKey(Article, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["answer", "article"], name="curated_source_once"),
        ]

    def __str__(self) -> str:
        return str(self.article or "deleted article")


class CuratedQuestionQuerySet(models.QuerySet["CuratedQuestion"]):
    """Reads, named as the question."""

    def answering(self, workspace: Workspace, *, include_internal: bool) -> Self:
        """Questions whose answers may be given to this reader at this moment."""
        answers = CuratedAnswer.objects.answering(workspace, include_internal=include_internal)
        return self.filter(workspace=workspace, answer__in=answers)

    def lacking(self, fingerprint: str) -> Self:
        """Questions that this encoder has not seen yet: the definition of pending work."""
        seen = CuratedVector.objects.filter(question=OuterRef("pk"), fingerprint=fingerprint)
        return self.filter(~Exists(seen))


class CuratedQuestion(models.Model):
    """One way to ask for an answer; the one at position 0 is the main one.

    The text never changes (another text is another row), so that a vector always belongs to
    the text beside it. `key` is `question_key` of the text.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    answer = models.ForeignKey(CuratedAnswer, on_delete=models.CASCADE, related_name="questions")
    position = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=1000)
    key = models.CharField(max_length=64, editable=False)

    objects = CuratedQuestionQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"], name="curated_question_asked_once"
            ),
        ]

    def __str__(self) -> str:
        return self.text


class CuratedVector(models.Model):
    """A question as one encoder sees it; null if that encoder refused it, with the reason.

    A vector counts only for questions that the encoder of the same fingerprint encoded.
    """

    question = models.ForeignKey(CuratedQuestion, on_delete=models.CASCADE, related_name="vectors")
    fingerprint = models.CharField(max_length=300)
    embedding = HalfVectorField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["question", "fingerprint"], name="curated_vector_once"),
        ]

    def __str__(self) -> str:
        return f"vector of question {self.question_id}"
