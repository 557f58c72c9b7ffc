"""What a file of curated answers says is what it was made from, to the letter."""

from __future__ import annotations

import pytest

from chat.models import CuratedAnswer
from chat.services.curated_csv import export_curated_csv, import_curated_csv
from kb.access import caller_for_system
from kb.models import Workspace
from tests.chat.test_curated import curate
from tests.factories import make_article, make_workspace

Said = tuple[list[str], str, list[int | None]]

pytestmark = pytest.mark.django_db


def said(workspace: Workspace) -> list[Said]:
    answers = CuratedAnswer.objects.filter(workspace=workspace).order_by("pk")
    return [
        (
            [each.text for each in answer.questions.all()],
            answer.text,
            [each.article_id for each in answer.sources.order_by("pk")],
        )
        for answer in answers
    ]


def once_more(workspace: Workspace) -> list[Said]:
    """What an export brings back where nothing is left."""
    caller = caller_for_system(workspace)
    exported = export_curated_csv(caller).encode()
    CuratedAnswer.objects.all().delete()
    import_curated_csv(caller, exported)
    return said(workspace)


@pytest.mark.parametrize(
    "start", ["'", "''", "'''=", "'=", "=", "@", "-", "+1", "'-", "#4", "\"'", "\ufeff", "a;b,"]
)
def test_any_beginning_comes_back(workspace: Workspace, start: str) -> None:
    questions = (f"{start} one?", f"{start} two?")
    curate(workspace, *questions, text=f"{start} an answer\n{start}", embedded=False)
    before = said(workspace)
    assert before[0][0] == list(questions)
    assert once_more(workspace) == before


@pytest.mark.parametrize(
    "name",
    ["#{other}", "#{other} and more", " spaced", "'quoted", "=1", "two\nlines", "#", "plain"],
)
def test_articles_come_back_whatever_their_external_ids(workspace: Workspace, name: str) -> None:
    other = make_article(workspace)
    article = make_article(workspace, external_id=name.format(other=other.pk))
    curate(workspace, sources=(article,), embedded=False)
    assert once_more(workspace)[0][2] == [article.pk]


def test_external_ids_carry_answers_to_another_workspace(workspace: Workspace) -> None:
    curate(workspace, sources=(make_article(workspace, external_id="refunds"),), embedded=False)
    elsewhere = make_workspace()
    there = make_article(elsewhere, external_id="refunds")
    exported = export_curated_csv(caller_for_system(workspace)).encode()
    import_curated_csv(caller_for_system(elsewhere), exported)
    assert said(elsewhere)[0][2] == [there.pk]
