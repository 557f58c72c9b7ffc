"""Fitting the confidence to judged answers, and telling whether the fit is better.

What is judged is never what was fitted on: five folds when a workspace's own confidence is
made (`cross_validate`), halves for the figures of `evaluate_retrieval` (`judge_halves`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chat.answering.confidence import COEFFICIENTS
from chat.evaluation.abstention import (
    Flags,
    Judged,
    accepted_threshold,
    area,
    auroc,
    judged_of,
    point_at,
    risk_curve,
    thinned,
)
from chat.evaluation.hiding import half_of
from chat.evaluation.logistic import (
    Array,
    calibration_error,
    fit_standardised,
    log_loss,
    probability,
    reliability,
)
from chat.models import QuestionOutcome
from kb.errors import Conflict

BIAS = "bias"
FOLDS = 5
SEEDS = ("fit", *(f"fit-{number}" for number in range(2, 11)))
Label = Literal["right", "answerable"]
Coefficients = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Judged questions and what their confidence is made of, a column for each of `names`."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    features: Array
    judged: Judged

    def scored(self, coefficients: Coefficients) -> Judged:
        """With the confidence that these coefficients give."""
        order = [coefficients[BIAS], *(coefficients.get(name, 0.0) for name in self.names)]
        return self.judged.scored(probability(self.features, np.array(order)))


def sample_of(outcomes: Sequence[QuestionOutcome]) -> Sample:
    """Of outcomes whose answers were judged. Raises Conflict for none, or if they were made
    by code that judged by other features than today's."""
    judged = [each for each in outcomes if each.confidence is not None]
    names = sorted(judged[0].evidence) if judged else []
    shipped = set(COEFFICIENTS) - {BIAS}
    if not shipped <= set(names) or any(sorted(each.evidence) != names for each in judged):
        raise Conflict(
            "This run has no answers that the confidence of today can be fitted to; "
            "start a new run with answers."
        )
    return Sample(
        names=tuple(names),
        keys=tuple(each.key for each in judged),
        features=np.array([[each.evidence[name] for name in names] for each in judged]),
        judged=judged_of(judged),
    )


def fit_sample(
    sample: Sample, *, label: Label = "right", rows: Flags | None = None
) -> Coefficients:
    """Coefficients from the rows (all) that had something to quote."""
    chosen = sample.judged.quoted if rows is None else sample.judged.quoted & rows
    labels = _labels(sample.judged, label)
    found = fit_standardised(sample.features[chosen], labels[chosen].astype(np.float64))
    return {name: float(value) for name, value in zip([BIAS, *sample.names], found, strict=True)}


def cross_validate(sample: Sample) -> Judged:
    """Each question with the confidence of a fit that never saw it."""
    scores = np.zeros(len(sample.keys))
    folds = _folds(sample.judged)
    for fold in range(FOLDS):
        coefficients = fit_sample(sample, rows=folds != fold)
        scores = np.where(folds == fold, sample.scored(coefficients).scores, scores)
    return sample.judged.scored(scores)


def figures_of(judged: Judged, *, label: Label = "right") -> dict[str, Any]:
    """How good a confidence is: between right and other answers, between answerable and other
    questions, and (of what could be quoted) as a probability of the label."""
    quoted = judged.chosen(judged.quoted)
    labels = _labels(quoted, label).astype(np.float64)
    return {
        "auroc_right": auroc(judged.right, judged.scores),
        "auroc_answerable": auroc(judged.answerable, judged.scores),
        "log_loss": round(log_loss(labels, quoted.scores), 4),
        "calibration_error": round(calibration_error(labels, quoted.scores), 4),
    }


def curves_of(judged: Judged) -> dict[str, Any]:
    """For plots: `reliability` (mean confidence, share right, how many), `curve` (threshold,
    coverage, risk) and the mean risk `aurc`."""
    quoted = judged.chosen(judged.quoted)
    rows = reliability(quoted.right.astype(np.float64), quoted.scores)
    curve = risk_curve(judged)
    return {
        "reliability": [[round(score, 4), round(share, 4), count] for score, share, count in rows],
        "curve": thinned(curve),
        "aurc": area(curve),
    }


def judge_halves(outcomes: Sequence[QuestionOutcome], *, label: Label) -> dict[str, Any]:
    """Shipped and fitted coefficients, each judged on halves that were not fitted on.

    Means over ten ways to halve the questions and both directions of each; `spread` is the
    standard deviation over these. `at_5_percent_wrong` reads the threshold off the judged
    half, `carried` takes over the one that gave 5 % wrong answers on the fitted half.
    `halves` counts those that held both labels; without any there are no figures.
    """
    sample = sample_of(outcomes)
    trials: list[dict[str, dict[str, Any]]] = []
    for fitted, judged in _halves(sample, label):
        made = fit_sample(sample, label=label, rows=fitted)
        trials.append(
            {
                "shipped": _carried(sample.scored(COEFFICIENTS), fitted, judged, label),
                "fitted": _carried(sample.scored(made), fitted, judged, label),
            }
        )
    figures: dict[str, Any] = {"label": label, "questions": len(sample.keys), "halves": len(trials)}
    for kind in ("shipped", "fitted") if trials else ():
        each = [trial[kind] for trial in trials]
        spread = {name: _spread(each, name) for name in ("auroc_answerable", "auroc_right")}
        figures[kind] = _means(each) | {"spread": spread}
    return figures


def _halves(sample: Sample, label: Label) -> Iterator[tuple[Flags, Flags]]:
    """The half to fit on and the half to judge, each with both labels."""
    labels, quoted = _labels(sample.judged, label), sample.judged.quoted
    for seed in SEEDS:
        half = np.array([half_of(key, seed=seed) for key in sample.keys])
        if all(len(set(labels[quoted & rows])) == 2 for rows in (half, ~half)):
            yield half, ~half
            yield ~half, half


def _carried(scored: Judged, fitted: Flags, judged: Flags, label: Label) -> dict[str, Any]:
    known, unknown = scored.chosen(fitted), scored.chosen(judged)
    return figures_of(unknown, label=label) | {
        "at_5_percent_wrong": point_at(unknown, accepted_threshold(risk_curve(unknown))),
        "carried": point_at(unknown, accepted_threshold(risk_curve(known))),
    }


def _means(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By name, points too; what was undefined in a trial does not count."""
    figures: dict[str, Any] = {}
    for name, first in trials[0].items():
        values = [trial[name] for trial in trials]
        figures[name] = _means(values) if isinstance(first, Mapping) else _mean(values)
    return figures


def _spread(trials: Sequence[Mapping[str, Any]], name: str) -> float | None:
    known = [trial[name] for trial in trials if trial[name] is not None]
    return round(float(np.std(known)), 4) if known else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def _labels(judged: Judged, label: Label) -> Flags:
    return judged.right if label == "right" else judged.answerable


def _folds(judged: Judged) -> Array:
    """A fold for each row, right and other answers spread evenly; the same in every run."""
    order = np.random.default_rng(0).permutation(len(judged.right))
    folds = np.zeros(len(order))
    for kind in (judged.right, ~judged.right):
        members = order[kind[order]]
        folds[members] = np.arange(len(members)) % FOLDS
    return folds
