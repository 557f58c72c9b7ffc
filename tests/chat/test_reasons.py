"""Why there is no answer, as whoever asks is told: each reason through the one door."""

from __future__ import annotations

import pytest

from chat.answering.answer import answer_question
from chat.answering.base import Reason
from chat.answering.extractive import ExtractiveGenerator
from chat.models import Trace
from chat.retrieval.results import Retrieval
from chat.retrieval.settings import PipelineSettings
from kb.models import Workspace
from kb.services import unpublish_article
from tests.chat.conftest import Publish

pytestmark = pytest.mark.django_db

NEVER = PipelineSettings(abstain_below=1.0)
ALWAYS = PipelineSettings(abstain_below=0.0)
QUESTION = "how long does a card refund take"


def reason(
    question: str, workspace: Workspace, settings: PipelineSettings, **given: object
) -> Reason:
    answered = answer_question(question, workspace=workspace, profile=settings, **given)  # type: ignore[arg-type]
    kept = Trace.objects.get(pk=answered.trace_id)
    assert kept.detail["answer"]["reason"] == answered.answer.reason
    assert kept.abstained
    assert not answered.answer.citations
    return answered.answer.reason


def test_nothing_is_published(workspace: Workspace) -> None:
    assert reason(QUESTION, workspace, ALWAYS) == Reason.NO_MATCH


def test_one_article_is_close_but_not_enough(workspace: Workspace, publish: Publish) -> None:
    publish(title="Refunds", body="A card refund does take how long the bank needs.")
    publish(title="Hours", body="We open at nine.")
    assert reason(QUESTION, workspace, NEVER) == Reason.NO_MATCH


def test_two_articles_fit_alike(workspace: Workspace, publish: Publish) -> None:
    publish(title="Refunds", body="A card refund does take how long the bank needs.")
    publish(title="Refunds", body="A card refund does take how long the shop needs.")
    publish(title="Hours", body="We open at nine.")
    assert reason(QUESTION, workspace, NEVER) == Reason.AMBIGUOUS


def test_nothing_is_about_it(workspace: Workspace, publish: Publish) -> None:
    publish(title="Refunds", body="Refunds are paid back soon.")
    publish(title="Hours", body="We open at nine.")
    assert reason("who won the cup", workspace, NEVER) == Reason.OUT_OF_SCOPE


def test_the_ground_went_while_it_was_answered(workspace: Workspace, publish: Publish) -> None:
    article = publish(title="Refunds", body="A card refund takes five days.")

    class Slow(ExtractiveGenerator):
        """Its article goes before it is done."""

        def generate(self, retrieval: Retrieval, *, language: str) -> object:  # type: ignore[override]
            made = super().generate(retrieval, language=language)
            unpublish_article(article)
            return made

    assert reason(QUESTION, workspace, ALWAYS, generator=Slow()) == Reason.STALE
