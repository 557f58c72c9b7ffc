"""How a curated answer stands: whether it is given now, and whether its wordings are embedded."""

from __future__ import annotations

from enum import StrEnum

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, Subquery
from django.utils import timezone

from chat.models import CuratedAnswer, CuratedQuestion, CuratedSource, CuratedVector
from chat.models.curated import CuratedAnswerQuerySet, CuratedQuestionQuerySet
from embeddings.models import IndexVersion
from kb.models import Audience


class State(StrEnum):
    """The first that is true, from the bottom up."""

    ANSWERING = "answering"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    DISABLED = "disabled"


def with_standing(answers: CuratedAnswerQuerySet) -> CuratedAnswerQuerySet:
    """With `grounded`, `pending` and `refused`, for as many answers as there are in one query.

    `pending`: the live version's encoder has not seen some question, which until then is found
    by equal ones only; `refused`: it never will (the reason is in the question's vector).
    """
    hidden = Q(answer__audience=Audience.PUBLIC) & Q(
        article__published_revision__audience=Audience.INTERNAL
    )
    gone = CuratedSource.objects.filter(
        Q(article__published_revision__isnull=True) | hidden, answer=OuterRef("pk")
    )
    return answers.annotate(
        grounded=ExpressionWrapper(~Exists(gone), output_field=BooleanField()),
        pending=Exists(_questions().filter(~_seen(Q()))),
        refused=Exists(_questions().filter(_seen(Q(embedding__isnull=True)))),
    )


def state_of(answer: CuratedAnswer) -> State:
    """Of an answer read by `with_standing`."""
    if not answer.enabled:
        return State.DISABLED
    if answer.valid_until is not None and answer.valid_until <= timezone.now():
        return State.EXPIRED
    grounded: bool = answer.grounded  # type: ignore[attr-defined]  # annotated
    return State.ANSWERING if grounded else State.WITHDRAWN


def _questions() -> CuratedQuestionQuerySet:
    return CuratedQuestion.objects.filter(answer=OuterRef("pk"))


def _seen(condition: Q) -> Exists:
    """Of a question: a vector of the encoder that answers in its workspace now."""
    live = IndexVersion.objects.live().filter(workspace=OuterRef("question__workspace"))
    vectors = CuratedVector.objects.filter(condition, question=OuterRef("pk"))
    return Exists(vectors.filter(fingerprint=Subquery(live.values("fingerprint"))))
