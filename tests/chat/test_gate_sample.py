"""The gate on the sample knowledge base, with the embedded model and real questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from chat.evaluation.gate import judge
from chat.services.question_imports import import_questions
from chat.services.question_sets import create_question_set
from embeddings.errors import GateRefused
from embeddings.filling.loop import embed_pending
from embeddings.services.cutting_over import cut_over
from kb.importing import import_articles, read_items
from kb.models import Workspace
from tests.chat.candidates import ANN, CANDIDATES, ready
from tests.factories import live, make_workspace

SAMPLE = Path(__file__).resolve().parents[2] / "kb" / "sample"

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def fernway(hash_encoder: None, settings: Settings) -> Workspace:  # noqa: ARG001 - comes first
    settings.ENCODERS = CANDIDATES
    settings.DEFAULT_ENCODER = "minilm"
    workspace = make_workspace()
    import_articles(workspace, read_items(SAMPLE / "articles"), publish=True)
    made = create_question_set(workspace, name="Fernway")
    import_questions(made, name="questions.jsonl", data=(SAMPLE / "questions.jsonl").read_bytes())
    embed_pending(live(workspace))
    return workspace


def test_the_embedded_model_with_its_dimensions_shuffled_is_refused(fernway: Workspace) -> None:
    version = ready(fernway, "broken-minilm")
    verdict = judge(version)
    assert not verdict.allowed
    fused, passage = verdict.differences["fused"], verdict.differences["passage"]
    assert fused["questions"] == 100
    assert fused["low"] < -0.02
    assert passage["first"] > 0.8
    assert passage["second"] < 0.4
    assert verdict.worst
    assert all(each["text"] for each in verdict.worst)
    with pytest.raises(GateRefused, match="its vectors look broken"):
        cut_over(version, actor=ANN)


def test_a_sound_candidate_passes_by_real_questions(fernway: Workspace) -> None:
    verdict = judge(ready(fernway, "minilm@chunks"))
    assert verdict.allowed, verdict.summary
    assert "not worse than the live version by more than 0.02" in verdict.summary
    assert verdict.differences["fused"]["low"] < 0 < verdict.differences["fused"]["high"]
    assert verdict.worst
