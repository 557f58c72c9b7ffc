"""A run's figures for scripts (JSON) and for people (tables)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from chat.evaluation.comparison import Comparison
from chat.evaluation.metrics import MEASURES
from chat.evaluation.report import SPAN_RECALL, RunReport, ordered_groups
from chat.evaluation.trials import Tried

SHOWN_CHANGES = 5
FITTED_MEASURES = ("auroc_answerable", "auroc_right", "calibration_error", "log_loss")
FITTED_POINTS = {"at_5_percent_wrong": "at 5 % wrong", "carried": "threshold of the fitted half"}


def figures_of(tried: Tried) -> dict[str, Any]:
    """Measures of the fused ranking at the top level, those of each leg below `legs`."""
    scratch, report = tried.trial.scratch, tried.report
    return {
        **report.measures,
        "articles": scratch.articles,
        "queries": report.queries,
        "tokens": scratch.tokens,
        "embed_seconds": scratch.embed_seconds,
        "reused": scratch.reused,
        "left_out": len(scratch.skipped),
        **report.latency,
        "legs": report.legs,
        "groups": report.groups,
        **({"abstention": report.abstention} if report.abstention else {}),
        **({"fitted": tried.fitted} if tried.fitted else {}),
        "workspace": scratch.workspace.slug,
        "run": tried.run.pk,
        "encoder": tried.run.encoder,
        "profile": tried.run.profile,
    }


def tables_of(tried: Tried) -> Iterator[RenderableType]:
    """What a person wants to see, in order."""
    scratch, report = tried.trial.scratch, tried.report
    yield ranking_table(report)
    yield (
        f"{scratch.articles:,} articles, {scratch.tokens:,} tokens, {report.queries:,} questions; "
        f"embedded in {scratch.embed_seconds:,} s{' (reused)' if scratch.reused else ''}; "
        f"a question takes {report.latency['p50_ms']} ms (p50), {report.latency['p95_ms']} ms (p95)"
    )
    if SPAN_RECALL in report.measures:
        yield f"the labelled passage is in the context: {report.measures[SPAN_RECALL]:.4f}"
    for kind, groups in report.groups.items():
        if len(groups) > 1:
            yield group_table(kind, groups)
    if report.abstention:
        yield abstention_table(report.abstention)
    if tried.fitted:
        yield fitted_table(tried.fitted)


def ranking_table(report: RunReport) -> Table:
    """One row for each leg alone, and the fusion's last."""
    table = Table("ranking")
    for name in MEASURES:
        table.add_column(name, justify="right")
    for leg, measures in [*report.legs.items(), ("fused", report.measures)]:
        table.add_row(leg, *(_figure(measures.get(name)) for name in MEASURES))
    return table


def group_table(kind: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    """nDCG@10 of the fusion and of each leg by group."""
    legs = list(next(iter(groups.values()))["legs"])
    table = Table(f"by {kind}", title="nDCG@10")
    for name in ("questions", "fused", *legs):
        table.add_column(name, justify="right")
    for name, group in ordered_groups(kind, groups):
        cells = [group["ndcg@10"], *(group["legs"].get(leg) for leg in legs)]
        table.add_row(name or "–", f"{group['questions']:,}", *map(_figure, cells))
    return table


def abstention_table(figures: Mapping[str, Any]) -> Table:
    """What the profile's threshold does, and what the one for 5 % wrong answers would do."""
    title = (
        f"{figures['answerable']:,} answerable, {figures['unanswerable']:,} unanswerable; "
        f"AUROC {_figure(figures['auroc'])}, area under risk-coverage {_figure(figures['aurc'])}"
    )
    table = Table("confidence", title=title)
    for name in ("threshold", "answered", "wrong", "declined"):
        table.add_column(name, justify="right")
    for name, key in (("profile", "profile"), ("at most 5 % wrong", "at_5_percent_wrong")):
        point = figures[key]
        table.add_row(name, *(_figure(value) for value in point.values()))
    return table


def fitted_table(figures: Mapping[str, Any]) -> RenderableType:
    """The shipped confidence and one fitted to a half, both judged on the other half."""
    if not figures["halves"]:
        return "too few answers of both kinds to fit to one half and judge on the other"
    kinds = ("shipped", "fitted")
    meant = {"right": "the answer is right", "answerable": "an article answers"}
    table = Table(
        "judged on the other half",
        title=f"probability that {meant[figures['label']]}; {figures['questions']:,} questions, "
        f"mean of {figures['halves']} halves",
    )
    for kind in kinds:
        table.add_column(kind, justify="right")
    for name in FITTED_MEASURES:
        table.add_row(name.replace("_", " "), *(_figure(figures[kind][name]) for kind in kinds))
    for point, word in FITTED_POINTS.items():
        for name in ("answered", "wrong", "declined"):
            cells = (_figure(figures[kind][point][name]) for kind in kinds)
            table.add_row(f"{word}: {name}", *cells)
    return table


def comparison_tables(comparison: Comparison, names: tuple[str, str]) -> Iterator[RenderableType]:
    """Differences with their intervals, and the questions that changed most."""
    table = Table("measure", title=f"{names[1]} minus {names[0]}, {comparison.shared:,} questions")
    for name in (*names, "difference", "95 % interval", "verdict"):
        table.add_column(name, justify="right")
    for each in comparison.differences:
        interval = f"{each.low:+.4f} to {each.high:+.4f}"
        figures = (_figure(each.first), _figure(each.second), f"{each.difference:+.4f}")
        table.add_row(each.measure, *figures, interval, each.verdict)
    yield table
    counted = ((comparison.better_count, "better"), (comparison.worse_count, "worse"))
    for (count, word), changes in zip(counted, (comparison.better, comparison.worse), strict=True):
        yield f"{count:,} questions got {word}"
        for change in changes[:SHOWN_CHANGES]:
            yield f"  {change.first:.2f} -> {change.second:.2f}  {change.text[:80]}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
