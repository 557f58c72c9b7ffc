"""Finding the curated answer that a question asks for.

Questions are compared by the text-matching task of the live version's encoder, exactly and
within the workspace: curated questions are some thousand, not millions. How alike two must be
(`chat.answering.likeness`) means the same for every encoder. A question that is
equal but for case, white space and end marks always matches, even while the encoder is away.
However alike, a question with another number, or with a "not" more, is another question.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db.models import BooleanField, ExpressionWrapper, Q
from pgvector.django import MaxInnerProduct

from chat.answering.base import CuratedMatch
from chat.answering.likeness import chance, likeness
from chat.answering.opposites import says_the_same_facts
from chat.models import CuratedQuestion
from chat.models.curated import CuratedQuestionQuerySet, question_key
from chat.retrieval.question import encode_whole
from embeddings.encoders.base import Encoder, Task, Vector
from embeddings.live import encoder_of
from embeddings.models import IndexVersion
from embeddings.spending import spending
from kb.models import Workspace
from kb.search import NO_FILTERS, Filters

# An answer in the visitor's language goes before one that is no more alike than this.
LANGUAGE_MARGIN = 0.05
NEAREST = 5


def match_curated(
    question: str,
    *,
    workspace: Workspace,
    version: IndexVersion,
    include_internal: bool,
    threshold: float,
    language: str = "",
    filters: Filters = NO_FILTERS,
) -> CuratedMatch | None:
    """The curated question most like this one, if their likeness is at least `threshold`.

    Of those about equally alike, one whose answer is in `language` goes first. Disabled,
    expired and withdrawn answers are not found, as of this moment. One query for an exact
    match or where nothing is curated, else two and a forward pass. Raises FingerprintChanged,
    EncoderUnavailable.
    """
    askable = askable_questions(workspace, include_internal=include_internal, filters=filters)
    first = _exact_first(askable, question)
    if first is None:
        return None
    if first.key == question_key(question):
        return _match(first, similarity=1.0, exact=True)
    if threshold > 1:
        return None  # no likeness is: only equal questions were wanted
    encoder = encoder_of(version)
    with spending(workspace_id=workspace.pk, encoder=version.encoder):
        [vector] = encode_whole(encoder, [question], Task.TEXT_MATCHING)
        near = nearest_questions(askable, vector, encoder=encoder, limit=NEAREST)
    alike = [
        (each, level)
        for each, level in near
        if level >= threshold and says_the_same_facts(each.text, question)
    ]
    return _best(alike, language)


def askable_questions(
    workspace: Workspace, *, include_internal: bool, filters: Filters = NO_FILTERS
) -> CuratedQuestionQuerySet:
    """Questions whose answers this reader may be given now, within the filters.

    Curated answers have neither tags nor a source nor a time of publishing: none is within
    filters that ask for these.
    """
    questions = CuratedQuestion.objects.answering(workspace, include_internal=include_internal)
    if filters.tags or filters.sources or filters.updated_after:
        return questions.none()
    if filters.collections:
        questions = questions.filter(answer__collection__slug__in=filters.collections)
    if filters.languages:
        questions = questions.filter(answer__language__in=filters.languages)
    if filters.audience:
        questions = questions.filter(answer__audience=filters.audience)
    return questions


def nearest_questions(
    questions: CuratedQuestionQuerySet, vector: Vector, *, encoder: Encoder, limit: int
) -> list[tuple[CuratedQuestion, float]]:
    """The most alike of `questions`, each with its likeness, best first; an exact scan."""
    level = chance(encoder)
    found = (
        questions.filter(vectors__fingerprint=encoder.fingerprint, vectors__embedding__isnull=False)
        .annotate(distance=MaxInnerProduct("vectors__embedding", np.asarray(vector)))
        .select_related("answer")
        .order_by("distance", "pk")[:limit]
    )
    return [
        (each, likeness(-each.distance, level))  # type: ignore[attr-defined]  # annotated above
        for each in found
    ]


def _exact_first(questions: CuratedQuestionQuerySet, text: str) -> CuratedQuestion | None:
    """Any of them, the equal one if there is one: tells too whether anything is curated."""
    same = ExpressionWrapper(Q(key=question_key(text)), output_field=BooleanField())
    return questions.annotate(same=same).order_by("-same", "pk").first()


def _best(near: Sequence[tuple[CuratedQuestion, float]], language: str) -> CuratedMatch | None:
    if not near:
        return None
    best = near[0][1]
    close = [each for each in near if each[1] >= best - LANGUAGE_MARGIN]
    question, similarity = max(
        close, key=lambda each: (each[0].answer.language == language, each[1])
    )
    return _match(question, similarity=similarity, exact=False)


def _match(question: CuratedQuestion, *, similarity: float, exact: bool) -> CuratedMatch:
    return CuratedMatch(
        answer_id=question.answer_id,
        question_id=question.pk,
        question=question.text,
        similarity=similarity,
        exact=exact,
    )
