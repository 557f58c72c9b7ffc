"""The figures of a run, from how each question fared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chat.evaluation.abstention import abstention
from chat.evaluation.metrics import mean_measures
from chat.evaluation.run import FUSED, legs_in_order
from chat.evaluation.shelves import LENGTHS
from chat.models import QuestionOutcome

SPAN_RECALL = "span_recall"
GROUPS = ("language", "collection", "length")
MAX_GROUPS = 50  # of one kind, the largest first


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Means over the `queries` answerable questions: of the fused ranking and of each leg
    alone. `latency` in milliseconds; `groups` by kind and name; `abstention` empty unless
    answers were judged."""

    queries: int
    measures: dict[str, float]
    legs: dict[str, dict[str, float]]
    groups: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    abstention: dict[str, Any] = field(default_factory=dict)


def report_of(outcomes: Sequence[QuestionOutcome], *, threshold: float) -> RunReport:
    """All figures; `threshold` is the profile's own, below which it abstains."""
    ranked = [each for each in outcomes if each.measures]
    return RunReport(
        queries=len(ranked),
        measures=_fused(ranked),
        legs=_legs(ranked),
        groups={kind: found for kind in GROUPS if (found := _groups(ranked, kind))},
        latency=_latency([each.latency_ms for each in outcomes]),
        abstention=abstention(outcomes, threshold=threshold),
    )


def question_measures(outcome: QuestionOutcome) -> dict[str, float]:
    """Of the fused ranking, with span recall where a passage is labelled."""
    measures = dict(outcome.measures.get(FUSED, {}))
    if measures and outcome.span_found is not None:
        measures[SPAN_RECALL] = float(outcome.span_found)
    return measures


def ordered_groups(
    kind: str, groups: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Lengths from short to long, others from large to small (stored JSON keeps no order)."""
    names = [name for _, name in LENGTHS]
    if kind == "length":
        return sorted(groups.items(), key=lambda g: names.index(g[0]) if g[0] in names else 99)
    return sorted(groups.items(), key=lambda g: (-g[1]["questions"], g[0]))


def _fused(ranked: Sequence[QuestionOutcome]) -> dict[str, float]:
    return mean_measures(question_measures(each) for each in ranked)


def _legs(ranked: Sequence[QuestionOutcome]) -> dict[str, dict[str, float]]:
    found = {name for each in ranked for name in each.measures} - {FUSED}
    return {
        name: mean_measures(each.measures[name] for each in ranked if name in each.measures)
        for name in legs_in_order(found)
    }


def _groups(ranked: Sequence[QuestionOutcome], kind: str) -> dict[str, dict[str, Any]]:
    """By name; a kind that does not part the questions says nothing and is left out."""
    parted: defaultdict[str, list[QuestionOutcome]] = defaultdict(list)
    for each in ranked:
        parted[getattr(each, kind)].append(each)
    if set(parted) <= {""}:
        return {}
    largest = sorted(parted.items(), key=lambda group: (-len(group[1]), group[0]))[:MAX_GROUPS]
    return {
        name: {
            "questions": len(members),
            **_fused(members),
            "legs": {leg: figures["ndcg@10"] for leg, figures in _legs(members).items()},
        }
        for name, members in largest
    }


def _latency(milliseconds: Sequence[float]) -> dict[str, float]:
    if not milliseconds:
        return {}
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1)}
