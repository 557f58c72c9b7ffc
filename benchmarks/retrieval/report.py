"""What is printed: one row for each system and data set, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import quantiles

from rich.table import Table

MEASURES = ("ndcg@10", "recall@5", "hit@1", "mrr@10")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemReport:
    """Quality, milliseconds of whole questions, seconds of embedding, and what it stored."""

    system: str
    dataset: str
    measures: dict[str, float]
    queries: int
    p50_ms: float
    p95_ms: float
    embed_seconds: float
    chunks: int
    versions: dict[str, str] = field(default_factory=dict)


def as_json(reports: Sequence[SystemReport]) -> str:
    """A list of objects, measures at their top level."""
    rows = []
    for report in reports:
        row = asdict(report)
        measures = row.pop("measures")
        rows.append({"dataset": row.pop("dataset"), "system": row.pop("system"), **measures, **row})
    return json.dumps(rows, indent=2)


def as_table(reports: Sequence[SystemReport]) -> Table:
    """Data sets below each other; the best of each measure in bold."""
    table = Table("data set", "system")
    for name in (*MEASURES, "p50 ms", "p95 ms", "embedding s", "chunks"):
        table.add_column(name, justify="right")
    best = _best(reports)
    for report in reports:
        measures = [
            _shown(report.measures[name], best=best[report.dataset, name]) for name in MEASURES
        ]
        speed = (f"{report.p50_ms:.1f}", f"{report.p95_ms:.1f}", f"{report.embed_seconds:.1f}")
        table.add_row(report.dataset, report.system, *measures, *speed, f"{report.chunks:,}")
    return table


def percentile(values: Sequence[float], percent: int) -> float:
    """Between the values where it falls between them; one decimal."""
    if len(values) == 1:
        return round(values[0], 1)
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 1)


def _best(reports: Sequence[SystemReport]) -> dict[tuple[str, str], float]:
    best: dict[tuple[str, str], float] = {}
    for report in reports:
        for name in MEASURES:
            key = (report.dataset, name)
            best[key] = max(report.measures[name], best.get(key, 0.0))
    return best


def _shown(value: float, *, best: float) -> str:
    return f"[bold]{value:.4f}[/bold]" if value == best else f"{value:.4f}"
