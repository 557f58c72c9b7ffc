"""Asking as if the article that answers were not there: does the product notice?

Real unanswerable questions are scarce; a question whose article is hidden is one, and a
hard one, since everything else about its subject is still there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from django.db import transaction

from chat.evaluation.questions import AskedQuestion
from kb.models import Article, ArticleState


@contextmanager
def unpublished(articles: Collection[int]) -> Iterator[None]:
    """These articles are out of every search inside the block, and for nobody outside it.

    A transaction that is rolled back: the rows are locked meanwhile, so this is for
    workspaces that nobody edits.
    """
    with transaction.atomic():
        Article.objects.filter(pk__in=articles).update(
            state=ArticleState.DRAFT, published_revision=None
        )
        yield
        transaction.set_rollback(True)


def hide_half(questions: Sequence[AskedQuestion]) -> list[AskedQuestion]:
    """The same questions, about half of them with their articles hidden.

    A question's key decides, so that the same ones are hidden in every run.
    """
    return [
        replace(question, hidden=bool(question.places) and half_of(question.key, seed="hide"))
        for question in questions
    ]


def half_of(key: str, *, seed: str) -> bool:
    """Whether a key is in the one half; other seeds give independent halves."""
    return hashlib.sha256(f"{seed}\n{key}".encode()).digest()[0] % 2 == 0
