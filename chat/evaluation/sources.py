"""Where questions come from: a dataset imported into a workspace, or a workspace's own set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Prefetch

from chat.evaluation.dataset import Dataset, texts_of
from chat.evaluation.labels import Label
from chat.evaluation.questions import (
    AskedQuestion,
    Place,
    locate,
    published_bodies,
    turns_from_json,
)
from chat.evaluation.turns import HistoryMode, split_question
from chat.models import ExpectedAnswer, LabelledQuestion, QuestionSet
from kb.models import Article, Workspace


def dataset_questions(
    dataset: Dataset,
    workspace: Workspace,
    *,
    history: HistoryMode | None = None,
    unanswerable: bool = False,
) -> list[AskedQuestion]:
    """In the order of the file; `history` reads the texts as conversations.

    Offsets that count in the corpus's text are moved to where the words stand in the article
    as imported. Raises InvalidInput for a conversation that is none.
    """
    ids = dict(Article.objects.in_workspace(workspace).values_list("external_id", "pk"))
    texts = texts_of(dataset)
    labelled = {ids[name] for name in _labelled_articles(dataset) if name in ids}
    bodies = published_bodies(labelled)
    asked = dict(dataset.queries) | (dict(dataset.unanswerable) if unanswerable else {})
    questions = []
    for key, text in asked.items():
        question, before = split_question(text, history) if history else (text, ())
        places = [
            *_labelled_places(dataset.labels.get(key, ()), ids, texts, bodies),
            *_judged_places(dataset.judgements.get(key, {}), ids),
        ]
        questions.append(
            AskedQuestion(
                key=key,
                text=question,
                history=before,
                places=_most_exact(places),
                language=dataset.languages.get(key, ""),
            )
        )
    return questions


def set_questions(
    question_set: QuestionSet, *, unanswerable: bool = False
) -> tuple[list[AskedQuestion], int]:
    """Those that can be judged now, and how many quotes their articles do not hold any more.

    A question whose quote is lost is judged by its article alone; one whose articles are
    gone is left out.
    """
    expected = ExpectedAnswer.objects.filter(article__workspace=question_set.workspace_id)
    rows = LabelledQuestion.objects.filter(question_set=question_set)
    if not unanswerable:
        rows = rows.filter(answerable=True)
    labelled = list(rows.prefetch_related(Prefetch("expected", queryset=expected)))
    bodies = published_bodies(
        answer.article_id for row in labelled for answer in row.expected.all()
    )
    questions, lost = [], 0
    for row in labelled:
        # What is not published now answers nothing.
        answers = [each for each in row.expected.all() if each.article_id in bodies]
        places = [_place_of(answer, bodies) for answer in answers]
        lost += sum(bool(a.quote) and p.start is None for a, p in zip(answers, places, strict=True))
        if places or not row.answerable:
            questions.append(_asked(row, tuple(places) if row.answerable else ()))
    return questions, lost


def _asked(row: LabelledQuestion, places: tuple[Place, ...]) -> AskedQuestion:
    return AskedQuestion(
        key=row.key,
        text=row.text,
        history=turns_from_json(row.history),
        places=places,
        language=row.language,
    )


def _place_of(answer: ExpectedAnswer, bodies: Mapping[int, str]) -> Place:
    body = bodies.get(answer.article_id, "")
    found = locate(answer.quote, body, near=answer.start or 0)
    start, end = found or (None, None)
    return Place(article=answer.article_id, relevance=answer.relevance, start=start, end=end)


def _labelled_articles(dataset: Dataset) -> set[str]:
    return {label.article for labels in dataset.labels.values() for label in labels}


def _labelled_places(
    labels: tuple[Label, ...],
    ids: Mapping[str | None, int],
    texts: Mapping[str, str],
    bodies: Mapping[int, str],
) -> Iterator[Place]:
    for label in labels:
        article = ids.get(label.article)
        if article is None or article not in bodies:
            continue
        start, end = range_of(label, texts.get(label.article, bodies[article]), bodies[article])
        yield Place(article=article, relevance=label.relevance, start=start, end=end)


def range_of(label: Label, text: str, body: str) -> tuple[int | None, int | None]:
    """The characters of `body` that a label means whose offsets count in `text`."""
    quote = label.quote
    if label.start is not None and label.end is not None:
        quote = text[label.start : label.end]
    # Imported bodies lose the white space around them.
    shift = len(text) - len(text.lstrip())
    return locate(quote, body, near=(label.start or 0) - shift) or (None, None)


def _judged_places(judged: Mapping[str, int], ids: Mapping[str | None, int]) -> Iterator[Place]:
    for number, (name, relevance) in enumerate(judged.items(), start=1):
        yield Place(article=ids.get(name, -number), relevance=relevance)


def _most_exact(places: list[Place]) -> tuple[Place, ...]:
    """Without those that only name an article of which a passage is known; that passage
    takes the article's relevance."""
    ranged = {place.article for place in places if place.start is not None}
    worth: dict[Any, int] = {}
    for place in places:
        worth[place.article] = max(place.relevance, worth.get(place.article, 0))
    kept = [
        replace(place, relevance=worth[place.article])
        for place in places
        if place.start is not None or place.article not in ranged
    ]
    return tuple(dict.fromkeys(kept))


def first_questions(questions: Sequence[AskedQuestion], limit: int | None) -> list[AskedQuestion]:
    """The first `limit` answerable questions, and as many of the others; None: all."""
    answerable = [question for question in questions if question.places]
    others = [question for question in questions if not question.places]
    return [*answerable[:limit], *others[:limit]]
