"""A run's figures as what its page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chat.evaluation.comparison import Change, Comparison
from chat.evaluation.metrics import MEASURES, RECALL_DEPTHS, measures_in_order
from chat.evaluation.report import SPAN_RECALL, ordered_groups
from chat.evaluation.run import legs_in_order
from chat.models import EvaluationRun, QuestionOutcome
from kb.admin.plots import Plot, draw
from kb.admin.tables import Table
from kb.models import Article

WORST_QUESTIONS = 25
NAMES = {"fused": "All legs together", SPAN_RECALL: "Passage in the context"}
CURVE_ROWS = 12
NOTHING = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Figures, tables and plots of a run that is over."""

    figures: tuple[tuple[str, str], ...]
    rankings: Table
    groups: tuple[Table, ...]
    answers: Table | None
    plots: tuple[Plot, ...]
    worst: Table


def describe_run(run: EvaluationRun) -> RunPage:
    """Two queries, however many questions there were."""
    rankings = {leg: run.legs[leg] for leg in legs_in_order(run.legs)} | {"fused": run.measures}
    return RunPage(
        figures=tuple(_figures(run)),
        rankings=_measure_table("Rankings", "ranking", rankings),
        groups=tuple(_group_table(kind, groups) for kind, groups in run.groups.items()),
        answers=_answer_table(run.abstention) if run.abstention else None,
        plots=tuple(_plots(run, rankings)),
        worst=_worst(run),
    )


def difference_table(comparison: Comparison) -> Table:
    """Each measure of both runs, with the interval of the difference."""
    return Table(
        name="Differences, second minus first",
        headings=(
            "Measure",
            "First",
            "Second",
            "Difference",
            "95 % interval",
            "Verdict",
            "Questions",
        ),
        rows=tuple(
            (
                NAMES.get(each.measure, each.measure.replace("_", " ")),
                share(each.first),
                share(each.second),
                f"{each.difference:+.4f}",
                f"{each.low:+.4f} to {each.high:+.4f}",
                each.verdict,
                each.questions,
            )
            for each in comparison.differences
        ),
        marks=tuple(MARKS.get(each.verdict, "") for each in comparison.differences),
    )


MARKS = {"better": "up", "worse": "down"}


def change_table(name: str, changes: Sequence[Change], count: int) -> Table:
    """Questions that fared differently, the largest change first."""
    return Table(
        name=f"{name}: {count:,}",
        headings=("Question", "nDCG@10 first", "Second", "Rank first", "Second"),
        rows=tuple(
            (
                each.text,
                share(each.first),
                share(each.second),
                each.first_rank or NOTHING,
                each.second_rank or NOTHING,
            )
            for each in changes
        ),
        more=count - len(changes),
    )


def share(value: float | None) -> str:
    """A figure as shown; a dash for none."""
    return NOTHING if value is None else f"{value:.3f}"


def _figures(run: EvaluationRun) -> Iterable[tuple[str, str]]:
    for name in measures_in_order(run.measures):
        if name in {"ndcg@10", "recall@5", "hit@1", "mrr@10", SPAN_RECALL}:
            yield NAMES.get(name, name), share(run.measures[name])
    for name, value in sorted(run.latency.items()):
        yield name.replace("_ms", ""), f"{value:g} ms"
    if run.abstention:
        yield "AUROC of the confidence", share(run.abstention.get("auroc"))


def _measure_table(name: str, kind: str, rows: Mapping[str, Mapping[str, float]]) -> Table:
    return Table(
        name=name,
        headings=(kind.capitalize(), *MEASURES),
        rows=tuple(
            (_named(row), *(share(figures.get(measure)) for measure in MEASURES))
            for row, figures in rows.items()
        ),
    )


def _named(ranking: str) -> str:
    return NAMES.get(ranking, ranking.replace("_", " ").capitalize())


def _group_table(kind: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    ordered = ordered_groups(kind, groups)
    legs = legs_in_order(ordered[0][1].get("legs", {}))
    unit = " of the article in tokens" if kind == "length" else ""
    return Table(
        name=f"nDCG@10 by {kind}{unit}",
        headings=(kind.capitalize(), "Questions", "All legs together", *map(_named, legs)),
        rows=tuple(
            (
                name or NOTHING,
                figures["questions"],
                share(figures.get("ndcg@10")),
                *(share(figures.get("legs", {}).get(leg)) for leg in legs),
            )
            for name, figures in ordered
        ),
    )


def _answer_table(figures: Mapping[str, Any]) -> Table:
    points = (("The profile's threshold", "profile"), ("At most 5 % wrong", "at_5_percent_wrong"))
    return Table(
        name=f"Answers to {figures['answerable']:,} answerable and "
        f"{figures['unanswerable']:,} unanswerable questions",
        headings=(
            "Rule",
            "Threshold",
            "Answerable answered",
            "Answers wrong",
            "Unanswerable declined",
        ),
        rows=tuple((name, *map(share, _point(figures[key]))) for name, key in points),
    )


def _point(point: Mapping[str, float | None]) -> list[float | None]:
    return [point.get(name) for name in ("threshold", "answered", "wrong", "declined")]


def _plots(run: EvaluationRun, rankings: Mapping[str, Mapping[str, float]]) -> Iterable[Plot]:
    if run.measures:
        yield _recall_plot(rankings)
    if run.abstention.get("curve"):
        yield _risk_plot(run.abstention)


def _recall_plot(rankings: Mapping[str, Mapping[str, float]]) -> Plot:
    series = [
        (_named(name), [(float(k), figures[f"recall@{k}"]) for k in RECALL_DEPTHS])
        for name, figures in rankings.items()
    ]
    best = max(series, key=lambda line: line[1][0][1])
    return draw(
        series,
        key="recall",
        name="Recall by depth",
        summary="Share of the right articles among the first 1 to 10. "
        f"At depth 1 “{best[0]}” is highest with {share(best[1][0][1])}.",
        axes=("articles looked at", "recall"),
        x_marks=[float(k) for k in RECALL_DEPTHS],
        table=Table(
            name="Recall by depth, in figures",
            headings=("Ranking", *(f"recall@{k}" for k in RECALL_DEPTHS)),
            rows=tuple((name, *(share(y) for _, y in points)) for name, points in series),
        ),
    )


def _risk_plot(figures: Mapping[str, Any]) -> Plot:
    curve = figures["curve"]
    points = [(coverage, risk) for _, coverage, risk in curve]
    step = max(1, len(curve) // CURVE_ROWS)
    return draw(
        [("Wrong answers", points)],
        key="risk",
        name="Risk and coverage",
        summary="Share of the answers that are wrong, by the share of all questions answered. "
        f"The mean risk is {share(figures.get('aurc'))}.",
        axes=("share of questions answered", "share of answers wrong"),
        x_marks=[0.0, 0.25, 0.5, 0.75, 1.0],
        table=Table(
            name="Risk and coverage, in figures",
            headings=("Confidence from", "Questions answered", "Answers wrong"),
            rows=tuple(tuple(share(value) for value in row) for row in curve[::step]),
        ),
    )


def _worst(run: EvaluationRun) -> Table:
    ranked = run.outcomes.exclude(measures={}).filter(**{"measures__fused__ndcg@10__lt": 1})
    chosen = list(ranked.order_by("measures__fused__ndcg@10", "pk")[:WORST_QUESTIONS])
    titles = _titles(run, chosen)
    return Table(
        name="Questions that fared worst",
        headings=("Question", "nDCG@10", "Rank of the right article", "First in the ranking"),
        rows=tuple(
            (
                each.text,
                share(each.measures["fused"]["ndcg@10"]),
                each.rank or "not among the first ten",
                titles.get(each.ranking[0], NOTHING) if each.ranking else NOTHING,
            )
            for each in chosen
        ),
    )


def _titles(run: EvaluationRun, outcomes: Sequence[QuestionOutcome]) -> dict[int, str]:
    first = {each.ranking[0] for each in outcomes if each.ranking}
    mine = Article.objects.filter(workspace=run.workspace_id, pk__in=first)
    return dict(mine.values_list("pk", "latest_revision__title"))
