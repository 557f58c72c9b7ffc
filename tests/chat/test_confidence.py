"""The confidence: a probability for any evidence, higher for better evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.answering.abstaining import abstention, reason_for
from chat.answering.base import Reason
from chat.answering.confidence import COEFFICIENTS, confidence, features
from chat.answering.ranking import rank_sentences
from chat.retrieval.pipeline import retrieve
from embeddings.encoders.registry import get_encoder
from kb.models import Workspace
from tests.chat.conftest import Publish

NAMES = ["coverage", "lead", "margin", "sentence", "similarity", "title"]
WEAK = dict.fromkeys(NAMES, 0.0)


@given(st.fixed_dictionaries({name: st.floats(-1e9, 1e9) for name in NAMES}))
def test_any_evidence_gives_a_probability(evidence: dict[str, float]) -> None:
    assert 0 <= confidence(evidence) <= 1


@pytest.mark.parametrize("name", ["similarity", "margin", "lead"])
def test_better_evidence_is_surer(name: str) -> None:
    assert confidence({**WEAK, name: 0.8}) > confidence({**WEAK, name: 0.2})


def test_evidence_has_every_feature_that_has_a_coefficient(
    workspace: Workspace, publish: Publish
) -> None:
    empty = retrieve("how long does a refund take", workspace=workspace)
    assert features(empty, []).keys() == set(NAMES)
    assert set(COEFFICIENTS) - {"bias"} <= set(NAMES)
    assert confidence(features(empty, [])) < 0.2
    publish(title="Refunds", body="A refund takes five days.")
    found = retrieve("how long does a refund take", workspace=workspace)
    ranked = rank_sentences(found, encoder=get_encoder("hash"))
    assert confidence(features(found, ranked)) > confidence(features(empty, []))


def test_reasons() -> None:
    near = {**WEAK, "sentence": 0.8}
    assert reason_for(WEAK) == Reason.OUT_OF_SCOPE
    assert reason_for({**near, "margin": 0.01}) == Reason.AMBIGUOUS
    assert reason_for({**near, "margin": 0.5}) == Reason.NO_MATCH
    assert reason_for({**near, "margin": 0.0}) == Reason.NO_MATCH


def test_unknown_language_is_told_in_english() -> None:
    assert abstention("xx") == abstention("en") == abstention("")
