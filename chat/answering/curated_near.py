"""Curated questions near one that is being written: near-duplicates are seen before they are."""

from __future__ import annotations

from dataclasses import dataclass

from chat.answering.curated import nearest_questions
from chat.models import CuratedQuestion
from chat.models.curated import question_key
from chat.retrieval.question import encode_whole
from embeddings.encoders.base import Task
from embeddings.live import encoder_of, live_version
from embeddings.spending import spending
from kb.access import Caller, Permission, require

# Alike enough to be worth a look; questions of one subject mostly are less.
WORTH_A_LOOK = 0.6
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NearQuestion:
    """A question of another answer, and how alike it is (1.0: the same)."""

    question: CuratedQuestion
    likeness: float


def near_questions(caller: Caller, text: str, *, besides: int | None = None) -> list[NearQuestion]:
    """Questions of other curated answers (enabled or not) that are like `text`, best first.

    `besides` is the answer that `text` belongs to. Raises Forbidden, NoLiveIndex,
    FingerprintChanged, EncoderUnavailable.
    """
    require(caller, Permission.ANSWERS_WRITE)
    others = CuratedQuestion.objects.filter(workspace=caller.workspace).exclude(answer=besides)
    if not caller.include_internal:
        others = others.filter(answer__audience="public")
    same = others.filter(key=question_key(text)).select_related("answer").first()
    if same is not None:
        return [NearQuestion(question=same, likeness=1.0)]
    if not others.exists():
        return []
    version = live_version(caller.workspace)
    encoder = encoder_of(version)
    with spending(workspace_id=caller.workspace.pk, encoder=version.encoder):
        [vector] = encode_whole(encoder, [text], Task.TEXT_MATCHING)
        near = nearest_questions(others, vector, encoder=encoder, limit=SHOWN)
    return [
        NearQuestion(question=question, likeness=alike)
        for question, alike in near
        if alike >= WORTH_A_LOOK
    ]
