"""Curated answers: writing, switching and deleting them.

Every write is approved by its writer and counts from the next question on; the workers are
told after the commit to embed new wordings.
"""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import CuratedAnswer, CuratedQuestion, CuratedSource
from chat.models.curated import CuratedAnswerQuerySet, question_key
from chat.tasks import nudge_curated
from kb.access import Caller, Permission, require
from kb.content import FORBIDDEN
from kb.errors import Conflict, Forbidden, InvalidInput, NotFound, TooLarge
from kb.languages import Language
from kb.models import Article, Audience, Collection

MAX_ANSWER_CHARACTERS = 20_000
MAX_QUESTION_CHARACTERS = 1_000
MAX_QUESTIONS = 50
MAX_SOURCES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedDraft:
    """A curated answer as somebody wants it; `questions` begin with the main one."""

    text: str
    questions: tuple[str, ...]
    language: str
    audience: str = Audience.PUBLIC
    collection: Collection | None = None
    sources: tuple[Article, ...] = ()
    enabled: bool = True
    valid_until: datetime | None = None


def draft_of(answer: CuratedAnswer) -> CuratedDraft:
    """The answer as it is, to be changed in part. Deleted sources are not in it."""
    sources = answer.sources.select_related(
        "article__published_revision", "article__latest_revision"
    )
    return CuratedDraft(
        text=answer.text,
        questions=tuple(question.text for question in answer.questions.all()),
        language=answer.language,
        audience=answer.audience,
        collection=answer.collection,
        sources=tuple(source.article for source in sources if source.article),
        enabled=answer.enabled,
        valid_until=answer.valid_until,
    )


def curated_answers_of(caller: Caller) -> CuratedAnswerQuerySet:
    """The curated answers that exist for the caller. Raises Forbidden."""
    require(caller, Permission.ARTICLES_READ)
    mine = CuratedAnswer.objects.in_workspace(caller.workspace)
    return mine.visible(include_internal=caller.include_internal)


def access_curated_answer(
    caller: Caller, answer_id: int, permission: Permission = Permission.ARTICLES_READ
) -> CuratedAnswer:
    """One curated answer. Raises Forbidden, NotFound."""
    require(caller, permission)
    found = curated_answers_of(caller).filter(pk=answer_id).first()
    if found is None:
        raise NotFound("There is no such curated answer.")
    return found


def lock_curated_answer(caller: Caller, answer: CuratedAnswer) -> CuratedAnswer:
    """The answer as it is now, until the transaction ends. Raises NotFound."""
    mine = curated_answers_of(caller).select_for_update(no_key=True)
    locked = mine.filter(pk=answer.pk).first()
    if locked is None:
        raise NotFound("This curated answer was deleted meanwhile.")
    return locked


def save_curated_answer(
    caller: Caller,
    *,
    draft: CuratedDraft,
    answer: CuratedAnswer | None = None,
    tell: bool = True,
) -> CuratedAnswer:
    """Make an answer, or give `answer` the draft's content; approved by the caller.

    Wordings that stay keep their vectors; without `tell` the caller tells the workers of new
    ones, after many writes once. Raises Forbidden, InvalidInput (with the field),
    TooLarge, and Conflict for a question that another answer has.
    """
    clean = check_curated_draft(caller, draft=draft, answer=answer)
    try:
        with transaction.atomic():
            saved = _store(caller, clean, answer)
            if tell:
                transaction.on_commit(lambda: nudge_curated(saved.workspace_id), robust=True)
    except IntegrityError as error:
        raise Conflict("Another curated answer has one of these questions already.") from error
    return saved


def delete_curated_answer(caller: Caller, *, answer: CuratedAnswer) -> None:
    """For good; from the next question on it is not given."""
    require(caller, Permission.ANSWERS_WRITE)
    curated_answers_of(caller).filter(pk=answer.pk).delete()


def switch_curated_answers(caller: Caller, *, answer_ids: Several[int], enabled: bool) -> int:
    """Give these answers, or give them no more, from the next question on; how many changed."""
    require(caller, Permission.ANSWERS_WRITE)
    mine = curated_answers_of(caller).filter(pk__in=answer_ids, enabled=not enabled)
    return mine.update(enabled=enabled, updated_at=timezone.now())


def check_curated_draft(
    caller: Caller, *, draft: CuratedDraft, answer: CuratedAnswer | None = None
) -> CuratedDraft:
    """The draft as it would be stored. Raises what `save_curated_answer` raises for it."""
    require(caller, Permission.ANSWERS_WRITE)
    clean = _clean(caller, draft, answer)
    _require_unasked(caller, clean.questions, answer)
    return clean


def _clean(caller: Caller, draft: CuratedDraft, answer: CuratedAnswer | None) -> CuratedDraft:
    if draft.language not in Language.values:
        raise InvalidInput(f"Unknown language {draft.language!r}.", field="language")
    if draft.audience not in Audience.values:
        raise InvalidInput(f"Unknown audience {draft.audience!r}.", field="audience")
    if draft.audience == Audience.INTERNAL and not caller.include_internal:
        raise Forbidden("Only a key with the internal scope writes internal answers.")
    _check_places(caller, draft, answer)
    return replace(draft, text=_clean_text(draft.text), questions=clean_questions(draft.questions))


def _clean_text(text: str) -> str:
    unified = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not unified:
        raise InvalidInput("The answer is empty.", field="text")
    if len(unified) > MAX_ANSWER_CHARACTERS:
        message = f"The answer has {len(unified):,} characters; {MAX_ANSWER_CHARACTERS:,} fit."
        raise TooLarge(message, field="text")
    if FORBIDDEN.search(unified):
        message = "The answer holds control characters or broken Unicode; write plain text."
        raise InvalidInput(message, field="text")
    return unified


def clean_questions(questions: Sequence[str]) -> tuple[str, ...]:
    """Each on one line and once, in their order. Raises InvalidInput."""
    first: dict[str, str] = {}
    for each in questions:
        if line := " ".join(each.split()):
            first.setdefault(question_key(line), line)
    unique = tuple(first.values())
    if not unique:
        raise InvalidInput("Write at least one question.", field="questions")
    if len(unique) > MAX_QUESTIONS:
        message = f"An answer has at most {MAX_QUESTIONS} questions, not {len(unique)}."
        raise InvalidInput(message, field="questions")
    for line in unique:
        if len(line) > MAX_QUESTION_CHARACTERS or FORBIDDEN.search(line):
            message = f"A question is plain text of at most {MAX_QUESTION_CHARACTERS:,} characters."
            raise InvalidInput(message, field="questions")
    return unique


def _check_places(caller: Caller, draft: CuratedDraft, answer: CuratedAnswer | None) -> None:
    place = caller.workspace.pk
    if draft.collection is not None and draft.collection.workspace_id != place:
        raise NotFound("There is no such collection in this workspace.")
    if any(article.workspace_id != place for article in draft.sources):
        raise NotFound("There is no such article in this workspace.")
    if len(draft.sources) > MAX_SOURCES:
        raise InvalidInput(f"An answer stands on at most {MAX_SOURCES} articles.", field="sources")
    before = _sources_of(answer)
    for article in draft.sources:
        # One that it stood on already may be gone by now: the answer is withdrawn then, and
        # everything else about it can still be changed.
        if article.pk not in before or (answer and draft.audience != answer.audience):
            _check_source(caller, article, draft.audience)


def _sources_of(answer: CuratedAnswer | None) -> set[int]:
    rows = answer.sources.filter(article__isnull=False) if answer else CuratedSource.objects.none()
    return {pk for pk in rows.values_list("article_id", flat=True) if pk is not None}


def _check_source(caller: Caller, article: Article, audience: str) -> None:
    published = article.published_revision
    name = f"“{article}”" if caller.include_internal else f"#{article.pk}"
    if published is None:
        message = f"{name} is not published: an answer on it would not be given."
        raise InvalidInput(message, field="sources")
    if audience == Audience.PUBLIC and published.audience == Audience.INTERNAL:
        message = f"{name} is internal: an answer for the public cannot cite it."
        raise InvalidInput(message, field="sources")


def _store(caller: Caller, draft: CuratedDraft, answer: CuratedAnswer | None) -> CuratedAnswer:
    saved = (
        lock_curated_answer(caller, answer) if answer else CuratedAnswer(workspace=caller.workspace)
    )
    for name in ("text", "language", "audience", "collection", "enabled", "valid_until"):
        setattr(saved, name, getattr(draft, name))
    saved.author = caller.user
    saved.save()
    _store_questions(saved, draft.questions)
    _store_sources(saved, draft.sources)
    return saved


def _store_sources(answer: CuratedAnswer, articles: Sequence[Article]) -> None:
    """A source that was deleted stays, and with it the answer withdrawn, until somebody gives
    other sources."""
    before, wanted = _sources_of(answer), {article.pk for article in articles}
    if before == wanted:
        return
    answer.sources.exclude(article__in=wanted).delete()
    answer.sources.filter(article__isnull=True).delete()
    CuratedSource.objects.bulk_create(
        CuratedSource(answer=answer, article_id=pk) for pk in sorted(wanted - before)
    )


def _store_questions(answer: CuratedAnswer, texts: Sequence[str]) -> None:
    """Rows of texts that stay are kept with their vectors; the others go and come."""
    old = {question.text: question for question in answer.questions.all()}
    gone = [question.pk for text, question in old.items() if text not in texts]
    CuratedQuestion.objects.filter(pk__in=gone).delete()
    kept = [old[text] for text in texts if text in old]
    for question in kept:
        question.position = texts.index(question.text)
    CuratedQuestion.objects.bulk_update(kept, ["position"])
    CuratedQuestion.objects.bulk_create(
        CuratedQuestion(
            workspace_id=answer.workspace_id,
            answer=answer,
            position=position,
            text=text,
            key=question_key(text),
        )
        for position, text in enumerate(texts)
        if text not in old
    )


def _require_unasked(caller: Caller, texts: Sequence[str], answer: CuratedAnswer | None) -> None:
    keys = {question_key(text): text for text in texts}
    asked = CuratedQuestion.objects.filter(workspace=caller.workspace, key__in=keys)
    others = asked.exclude(answer=answer) if answer else asked
    taken = others.values_list("key", flat=True).first()
    if taken is not None:
        raise Conflict(f"Another curated answer has the question “{keys[taken]}” already.")
