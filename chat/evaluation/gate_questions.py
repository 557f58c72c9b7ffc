"""What the gate asks: a workspace's labelled questions, and where they are few, titles.

An article's own title, asked as a question, has one answer that is known: that article
(known-item search). It is easier than what visitors ask, so it stands in for labelled
questions and does not replace them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from django.db.models import CharField, F, Value
from django.db.models.functions import MD5, Cast, Concat

from chat.errors import QuestionRejected
from chat.evaluation.questions import AskedQuestion, Place
from chat.evaluation.sources import set_questions
from chat.models import GatePolicy, QuestionOutcome, QuestionSet
from chat.retrieval.question import clean_question
from kb.models import Article, Audience, Workspace

TITLES = 200
SEED = "20240229"
LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Which questions: those of the sets by id, and of at most so many articles the titles.

    `names` are the sets', for people.
    """

    sets: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    titles: int = 0

    @property
    def asks(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self.sets or self.titles)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(
            sets=tuple(stored["sets"]), names=tuple(stored["names"]), titles=stored["titles"]
        )


def choose_basis(policy: GatePolicy) -> Basis:
    """The policy's sets, or all of the workspace, as far as articles answer their questions;
    with titles where these are fewer than the policy asks for."""
    sets = QuestionSet.objects.filter(workspace=policy.workspace_id)
    if policy.pk and (chosen := policy.question_sets.values_list("pk", flat=True)):
        sets = sets.filter(pk__in=list(chosen))
    counts = {each: len(set_questions(each)[0]) for each in sets.order_by("pk")}
    asked = [each for each, count in counts.items() if count]
    enough = sum(counts.values()) >= policy.min_questions
    with_titles = not enough and bool(_title_questions(policy.workspace, TITLES))
    return Basis(
        sets=tuple(each.pk for each in asked),
        names=tuple(each.name for each in asked),
        titles=TITLES if with_titles else 0,
    )


def gate_questions(workspace: Workspace, basis: Basis) -> tuple[list[AskedQuestion], int]:
    """Those that can be judged now, and how many quotes are not in their articles any more."""
    questions, lost = [], 0
    sets = QuestionSet.objects.filter(workspace=workspace, pk__in=basis.sets)
    for question_set in sets.order_by("pk"):
        found, gone = set_questions(question_set)
        lost += gone
        questions += [
            replace(each, key=_key(f"{question_set.pk}/{each.key}"))
            for each in found
            if each.answerable
        ]
    if basis.titles:
        questions += _title_questions(workspace, basis.titles)
    return questions, lost


def _title_questions(workspace: Workspace, count: int) -> list[AskedQuestion]:
    """Of published, public articles; always the same ones, whatever is published beside them.

    Articles of one title answer one question together.
    """
    drawn = (
        Article.objects.in_workspace(workspace)
        .published()
        .filter(published_revision__audience=Audience.PUBLIC)
        .annotate(draw=MD5(Concat(Value(SEED), Cast("pk", CharField()))))
        .order_by("draw")
        .values_list("published_revision__title", flat=True)[:count]
    )
    titles = [title for title in dict.fromkeys(drawn) if _askable(title)]
    articles = _articles_by_title(workspace, titles)
    return [
        AskedQuestion(
            key=_key(f"title/{hashlib.sha256(title.encode()).hexdigest()[:24]}"),
            text=title,
            places=tuple(Place(article=article) for article, _ in articles[title]),
            language=articles[title][0][1],
        )
        for title in titles
        if title in articles
    ]


def _articles_by_title(
    workspace: Workspace, titles: Sequence[str]
) -> dict[str, list[tuple[int, str]]]:
    """With their languages."""
    rows = (
        Article.objects.in_workspace(workspace)
        .filter(published_revision__title__in=titles)
        .order_by("pk")
        .annotate(title=F("published_revision__title"), language=F("published_revision__language"))
    )
    found: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for article, title, language in rows.values_list("pk", "title", "language"):
        found[title].append((article, language))
    return dict(found)


def _askable(title: str) -> bool:
    try:
        clean_question(title)
    except QuestionRejected:
        return False
    return True


def _key(key: str) -> str:
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    return f"{key[: LONGEST_KEY - len(digest) - 1]}/{digest}"


def told_of(basis: Basis, asked: Sequence[QuestionOutcome]) -> str:
    """What was asked, for people."""
    titles = sum(each.key.startswith("title/") for each in asked)
    parts = []
    if labelled := len(asked) - titles:
        parts.append(f"{labelled} questions of {', '.join(basis.names)}")
    if titles:
        why = "" if labelled else " (no question set has questions that articles answer)"
        parts.append(f"the titles of {titles} articles{why}")
    return " and ".join(parts)
