"""The embedded model on the sample knowledge base: what a stranger sees first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from chat.answering.answer import AnsweredQuestion, answer_question
from config.demo.conversation import QUESTIONS
from embeddings.filling.loop import embed_pending
from embeddings.models import PassageWords
from kb.importing import import_articles, read_items
from kb.models import Workspace
from tests.factories import live, make_workspace

SAMPLE = Path(__file__).resolve().parents[2] / "kb" / "sample"

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def fernway(settings: Settings) -> Workspace:
    """The sample knowledge base, embedded by MiniLM."""
    settings.DEFAULT_ENCODER = "minilm"
    workspace = make_workspace()
    import_articles(workspace, read_items(SAMPLE / "articles"), publish=True)
    embed_pending(live(workspace))
    return workspace


def sampled_questions() -> list[dict[str, object]]:
    """Every sixth question with its known answer."""
    lines = (SAMPLE / "questions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines][::6]


def cites(answered: AnsweredQuestion, known: dict[str, object]) -> bool:
    """Whether a citation overlaps the known answer."""
    return any(
        c.external_id == known["article"] and c.start < known["end"] and known["start"] < c.end  # type: ignore[operator]
        for c in answered.answer.citations
    )


def test_sample_is_answered_before_the_words_of_its_passages_are_stored(
    fernway: Workspace,
) -> None:
    PassageWords.objects.filter(index_version_id=live(fernway).pk).delete()
    for question in QUESTIONS:
        assert not answer_question(question, workspace=fernway).answer.abstained, question


def test_sample_is_answered_from_the_right_place(fernway: Workspace) -> None:
    for question in QUESTIONS:
        answer = answer_question(question, workspace=fernway).answer
        assert not answer.abstained, question
        assert answer.citations
    nonsense = answer_question("whats the capital of australia", workspace=fernway).answer
    assert nonsense.abstained
    right = wrong = declined = unanswerable = 0
    for entry in sampled_questions():
        known: dict[str, object] = entry["metadata"]  # type: ignore[assignment]
        answered = answer_question(str(entry["text"]), workspace=fernway, include_internal=True)
        if not known["answerable"]:
            unanswerable += 1
            declined += answered.answer.abstained
        elif not answered.answer.abstained:
            right += cites(answered, known)
            wrong += not cites(answered, known)
    assert right >= 6
    assert right > 2 * wrong
    assert declined >= unanswerable / 2
