"""Runs whose answers turned out as their evidence says, for tests of the confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from django.utils import timezone

from chat.answering.confidence import COEFFICIENTS, confidence
from chat.models import EvaluationRun, QuestionOutcome, RunState
from embeddings.models import IndexVersion
from kb.models import Workspace
from tests.factories import live

NAMES = sorted(set(COEFFICIENTS) - {"bias"})
FIRST = NAMES[0]
Evidence = dict[str, float]
Turns = Callable[[Evidence, float], bool]


def by_the_first(evidence: Evidence, chance: float) -> bool:
    """Right where the first feature is high, as the shipped coefficients do not know."""
    return evidence[FIRST] + 0.4 * (chance - 0.5) > 0.5


def as_shipped(evidence: Evidence, chance: float) -> bool:
    """Right as often as the shipped confidence says."""
    return chance < confidence(evidence)


def judged_outcomes(
    count: int, turns: Turns = by_the_first, *, seed: int = 1
) -> list[QuestionOutcome]:
    """Unsaved; every fourth of those that are not right cannot be answered at all."""
    chance = np.random.default_rng(seed)
    outcomes = []
    for number in range(count):
        evidence = {name: round(float(chance.random()), 4) for name in NAMES}
        right = turns(evidence, float(chance.random()))
        outcomes.append(
            QuestionOutcome(
                key=f"q{number}",
                text=f"question {number}",
                evidence=evidence,
                confidence=confidence(evidence),
                right=right,
                answerable=right or number % 4 > 0,
                latency_ms=1.0,
            )
        )
    return outcomes


def finished_run(
    workspace: Workspace,
    outcomes: Sequence[QuestionOutcome],
    *,
    state: RunState = RunState.DONE,
    version: IndexVersion | None = None,
) -> EvaluationRun:
    """A run with these outcomes, over the live version."""
    version = version or live(workspace)
    run = EvaluationRun.objects.create(
        workspace=workspace,
        dataset="Support",
        index_version_id=version.pk,
        index_version_number=version.number,
        encoder=version.encoder,
        fingerprint=version.fingerprint,
        profile="default",
        settings={"abstain_below": 0.25},
        options={"answers": True},
        state=state,
        done=len(outcomes),
        total=len(outcomes),
        finished_at=timezone.now(),
        abstention={"answerable": 1, "unanswerable": 1, "profile": {}, "at_5_percent_wrong": {}},
    )
    for outcome in outcomes:
        outcome.run = run
    QuestionOutcome.objects.bulk_create(outcomes)
    return run
