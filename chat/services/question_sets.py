"""Question sets: made and filled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from chat.evaluation.questions import locate
from chat.models import (
    ExpectedAnswer,
    LabelledQuestion,
    QuestionOrigin,
    QuestionSet,
)
from chat.retrieval.conversation import Turn
from chat.retrieval.question import clean_question
from kb.content import FORBIDDEN, clean_tags
from kb.errors import Conflict, InvalidInput
from kb.languages import Language
from kb.models import Article, Workspace

MAX_QUESTIONS = 5_000  # in one set
MAX_EXPECTED = 20  # of one question
MAX_TURNS = 100
MAX_QUOTE_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """An article that answers, and which words of it: a verbatim `quote`, or `start` and
    `end` in its text. A quote without offsets is looked for, close to `start` if given."""

    article: Article
    quote: str = ""
    start: int | None = None
    end: int | None = None
    relevance: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuestion:
    """A question as given; without a key it gets one made of its words."""

    text: str
    key: str = ""
    history: tuple[Turn, ...] = ()
    answerable: bool = True
    expected: tuple[Expectation, ...] = ()
    language: str = ""
    kind: str = ""
    tags: tuple[str, ...] = ()


def create_question_set(
    workspace: Workspace, *, name: str, slug: str = "", description: str = ""
) -> QuestionSet:
    """An empty set. Raises InvalidInput without a name, Conflict if name or slug is taken."""
    name, slug = name.strip(), slug or slugify(name)[:63]
    if not name or not slug:
        raise InvalidInput("A question set needs a name with letters or digits.", field="name")
    try:
        with transaction.atomic():
            return QuestionSet.objects.create(
                workspace=workspace, name=name[:200], slug=slug, description=description
            )
    except IntegrityError as error:
        raise Conflict(f"There is a question set {name!r} ({slug}) already.") from error


def add_question(
    question_set: QuestionSet, question: NewQuestion, *, origin: QuestionOrigin
) -> LabelledQuestion:
    """Store one question; one of the same key is replaced.

    Raises InvalidInput for text that is no question, an answerable one without an article,
    an article of another workspace, or a quote that its text does not hold.
    """
    with transaction.atomic():
        QuestionSet.objects.select_for_update(no_key=True).get(pk=question_set.pk)
        stored = store_questions(question_set, [checked(question_set, question)], origin=origin)
    return stored[0]


def checked(question_set: QuestionSet, question: NewQuestion) -> NewQuestion:
    """The question, clean and with its ranges found. Raises InvalidInput. No query, unless an
    article's texts were not loaded."""
    text = clean_question(question.text)
    if question.answerable != bool(question.expected):
        wanted = "needs an article" if question.answerable else "cannot have one"
        raise InvalidInput(f"An {_word(question)} question {wanted}.", field="article")
    if len(question.expected) > MAX_EXPECTED:
        raise InvalidInput(f"At most {MAX_EXPECTED} places answer a question.", field="article")
    if question.language and question.language not in Language.values:
        raise InvalidInput(f"Unknown language {question.language!r}.", field="language")
    if len(question.history) > MAX_TURNS:
        raise InvalidInput(f"A history may have {MAX_TURNS} turns.", field="history")
    if len(question.key) > 200 or len(question.kind) > 60:
        raise InvalidInput("A key may have 200 characters and a kind 60.", field="key")
    if FORBIDDEN.search(f"{question.key}{question.kind}"):
        raise InvalidInput("A key or kind holds control characters.", field="key")
    history = tuple(Turn(role=t.role, text=clean_question(t.text)) for t in question.history)
    return NewQuestion(
        text=text,
        key=question.key.strip() or key_of(text, history),
        history=history,
        answerable=question.answerable,
        expected=tuple(_placed(question_set, each) for each in question.expected),
        language=question.language,
        kind=question.kind.strip(),
        tags=tuple(clean_tags(question.tags)),
    )


def key_of(text: str, history: Sequence[Turn]) -> str:
    """The same for the same words: what is labelled twice is stored once."""
    turns = [[turn.role, turn.text] for turn in history]
    return "q-" + hashlib.sha256(json.dumps([text, turns]).encode()).hexdigest()[:16]


def store_questions(
    question_set: QuestionSet, questions: Sequence[NewQuestion], *, origin: QuestionOrigin
) -> list[LabelledQuestion]:
    """Checked questions in four queries, within the caller's transaction; those of the same
    keys are replaced. Raises InvalidInput when the set would grow over its limit."""
    LabelledQuestion.objects.filter(
        question_set=question_set, key__in=[each.key for each in questions]
    ).delete()
    if question_set.questions.count() + len(questions) > MAX_QUESTIONS:
        raise InvalidInput(f"A question set holds at most {MAX_QUESTIONS:,} questions.")
    stored = LabelledQuestion.objects.bulk_create(
        LabelledQuestion(
            question_set=question_set,
            key=each.key,
            text=each.text,
            history=[{"role": turn.role, "text": turn.text} for turn in each.history],
            answerable=each.answerable,
            language=each.language,
            kind=each.kind,
            tags=list(each.tags),
            origin=origin,
        )
        for each in questions
    )
    ExpectedAnswer.objects.bulk_create(
        ExpectedAnswer(
            question=row,
            article=place.article,
            relevance=place.relevance,
            quote=place.quote,
            start=place.start,
            end=place.end,
        )
        for row, each in zip(stored, questions, strict=True)
        for place in {(p.article.pk, p.start, p.end): p for p in each.expected}.values()
    )
    return stored


def _word(question: NewQuestion) -> str:
    return "answerable" if question.answerable else "unanswerable"


def _placed(question_set: QuestionSet, given: Expectation) -> Expectation:
    """With quote and offsets that agree with the article's text, or with neither."""
    article = given.article
    if article.workspace_id != question_set.workspace_id:
        raise InvalidInput("There is no such article in this workspace.", field="article")
    if not given.quote.strip() and given.start is None:
        return Expectation(article=article, relevance=given.relevance)
    revision = article.published_revision or article.latest_revision
    body = revision.body if revision else ""
    quote = given.quote
    if given.start is not None and given.end is not None and not quote.strip():
        quote = body[given.start : given.end]
    short = len(quote) <= MAX_QUOTE_CHARACTERS
    found = locate(quote, body, near=given.start or 0) if short else None
    if found is None:
        name = article.external_id or article.pk
        raise InvalidInput(
            f"Article {name!r} does not hold the words {quote[:80]!r}.", field="quote"
        )
    start, end = found
    return Expectation(
        article=article,
        quote=body[start:end],
        start=start,
        end=end,
        relevance=given.relevance,
    )
