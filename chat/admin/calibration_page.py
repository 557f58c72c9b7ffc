"""A calibration's figures as what its page shows: the shipped confidence beside the fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chat.admin.evaluation_page import share
from chat.models import Calibration
from kb.admin.plots import Plot, Point, draw
from kb.admin.tables import Table

KINDS = (("shipped", "Shipped"), ("fitted", "Fitted"))
SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]
MEASURES = {
    "auroc_right": "AUROC, right against other answers",
    "auroc_answerable": "AUROC, answerable against other questions",
    "calibration_error": "Expected calibration error",
    "log_loss": "Log-loss",
    "aurc": "Mean risk",
}
CURVE_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPage:
    """Tables and plots; `threshold` is the suggested one with what it does, or empty."""

    measures: Table
    rules: Table
    coefficients: Table
    threshold: Mapping[str, Any]
    plots: tuple[Plot, ...]


def describe_calibration(calibration: Calibration) -> CalibrationPage:
    """No query."""
    figures = calibration.figures
    suggested = figures["fitted"]["at_5_percent_wrong"]
    return CalibrationPage(
        measures=_measures(figures),
        rules=_rules(figures),
        coefficients=_coefficients(calibration),
        threshold=_worded(suggested),
        plots=(_reliability(figures), _risk(figures)),
    )


def _worded(point: Mapping[str, Any]) -> Mapping[str, Any]:
    if point["threshold"] is None:
        return {}
    return {**point, "percent": round(100 * point["share"])}


def _measures(figures: Mapping[str, Any]) -> Table:
    return Table(
        name="How good it is, judged on questions it was not fitted to",
        headings=("Measure", "Shipped", "Fitted"),
        rows=tuple(
            (name, *(share(figures[kind].get(key)) for kind, _ in KINDS))
            for key, name in MEASURES.items()
        ),
    )


def _rules(figures: Mapping[str, Any]) -> Table:
    rules = (("The run's profile", "profile"), ("At most 5 % wrong", "at_5_percent_wrong"))
    columns = ("threshold", "answered", "wrong", "declined")
    return Table(
        name="What a threshold does",
        headings=(
            "Rule",
            "Confidence",
            "Threshold",
            "Answerable answered",
            "Answers wrong",
            "Unanswerable declined",
        ),
        rows=tuple(
            (rule, name, *(share(figures[kind][key].get(column)) for column in columns))
            for rule, key in rules
            for kind, name in KINDS
        ),
    )


def _coefficients(calibration: Calibration) -> Table:
    values = calibration.coefficients
    return Table(
        name="Coefficients",
        headings=("Feature", "Coefficient"),
        rows=tuple((name, f"{values[name]:+.3f}") for name in ["bias", *calibration.features]),
    )


def _reliability(figures: Mapping[str, Any]) -> Plot:
    points: dict[str, list[Point]] = {
        name: [(score, right) for score, right, _ in figures[kind]["reliability"]]
        for kind, name in KINDS
    }
    errors = (f"{name} {share(figures[kind]['calibration_error'])}" for kind, name in KINDS)
    return draw(
        [*points.items(), ("As it should be", [(0.0, 0.0), (1.0, 1.0)])],
        key="reliability",
        name="Confidence and truth",
        summary="Share of the answers that are right, by the confidence they were given. "
        f"Mean distance from the diagonal: {', '.join(errors)}.",
        axes=("confidence", "share of answers right"),
        x_marks=SHARES,
        table=Table(
            name="Confidence and truth, in figures",
            headings=("Coefficients", "Mean confidence", "Right", "Answers"),
            rows=tuple(
                (name, share(score), share(right), count)
                for kind, name in KINDS
                for score, right, count in figures[kind]["reliability"]
            ),
        ),
    )


def _risk(figures: Mapping[str, Any]) -> Plot:
    means = (f"{name} {share(figures[kind]['aurc'])}" for kind, name in KINDS)
    return draw(
        [
            (name, [(coverage, risk) for _, coverage, risk in figures[kind]["curve"]])
            for kind, name in KINDS
        ],
        key="risk",
        name="Risk and coverage",
        summary="Share of the answers that are wrong, by the share of all questions answered. "
        f"Mean risk: {', '.join(means)}.",
        axes=("share of questions answered", "share of answers wrong"),
        x_marks=SHARES,
        table=Table(
            name="Risk and coverage, in figures",
            headings=("Coefficients", "Confidence from", "Questions answered", "Answers wrong"),
            rows=tuple(_curve_rows(figures)),
        ),
    )


def _curve_rows(figures: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    for kind, name in KINDS:
        curve = figures[kind]["curve"]
        for row in curve[:: max(1, len(curve) // CURVE_ROWS)]:
            yield (name, *map(share, row))
