"""`manage.py evaluate_retrieval --dataset DIR`: how well the pipeline finds the right articles."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from rich.console import Console
from rich.table import Table

from chat.evaluation.dataset import Dataset, load_dataset
from chat.evaluation.metrics import MEASURES
from chat.evaluation.run import RunReport, evaluate
from chat.evaluation.scratch import Scratch, prepare_scratch
from chat.retrieval.settings import load_profile
from embeddings.waiting import Progress
from kb.commands import DomainCommand
from kb.errors import InvalidInput
from kb.languages import Language
from kb.progress import progress_bar


class Command(DomainCommand):
    """Imports the corpus once into a scratch workspace, then asks every question."""

    help = "Measure retrieval on a dataset in the BEIR layout."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Dataset and options."""
        parser.add_argument("--dataset", type=Path, required=True, metavar="DIR")
        parser.add_argument("--queries", type=Path, help="instead of DIR/queries.jsonl")
        parser.add_argument("--qrels", type=Path, help="instead of DIR/qrels.tsv")
        parser.add_argument("--profile", metavar="NAME", help="retrieval profile")
        parser.add_argument("--encoder", metavar="NAME", help="alias in settings.ENCODERS")
        parser.add_argument(
            "--language", choices=Language.values, help="of the corpus (default: guessed)"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="ask the first N questions only")
        parser.add_argument("--json", action="store_true", help="print figures as JSON")

    def run(
        self,
        *,
        dataset: Path,
        queries: Path | None,
        qrels: Path | None,
        profile: str | None,
        encoder: str | None,
        language: str | None,
        limit: int | None,
        json: bool,
        **_: object,
    ) -> None:
        """Prepare, ask, report."""
        if limit is not None and limit < 1:
            raise InvalidInput("--limit must be 1 or more.")
        asked = load_dataset(dataset, queries=queries, judgements=qrels)
        scratch = _prepare(asked, encoder or settings.DEFAULT_ENCODER, language)
        for problem in scratch.skipped:
            self.stderr.write(f"left out: {problem}")
        report = _evaluate(asked, scratch, profile, limit)
        if json:
            self.stdout.write(as_json(scratch, report))
        else:
            self._print(scratch, report)

    def _print(self, scratch: Scratch, report: RunReport) -> None:
        console = Console(file=self.stdout, width=100)  # type: ignore[arg-type]  # it has write and flush
        console.print(as_table(report))
        console.print(
            f"{scratch.articles:,} articles, {scratch.tokens:,} tokens, "
            f"{report.queries:,} questions; "
            f"embedded in {scratch.embed_seconds:,} s{' (reused)' if scratch.reused else ''}; "
            f"a question takes {report.p50_ms} ms (p50), {report.p95_ms} ms (p95)"
        )


def as_json(scratch: Scratch, report: RunReport) -> str:
    """Measures of the fused ranking at the top level, those of each leg below `legs`."""
    figures: dict[str, Any] = {
        **report.measures,
        "articles": scratch.articles,
        "queries": report.queries,
        "tokens": scratch.tokens,
        "embed_seconds": scratch.embed_seconds,
        "reused": scratch.reused,
        "left_out": len(scratch.skipped),
        "p50_ms": report.p50_ms,
        "p95_ms": report.p95_ms,
        "legs": report.legs,
        "workspace": scratch.workspace.slug,
    }
    return json.dumps(figures, indent=2)


def as_table(report: RunReport) -> Table:
    """One row for each leg alone, and the fusion's last."""
    table = Table("ranking")
    for name in MEASURES:
        table.add_column(name, justify="right")
    for leg, measures in [*report.legs.items(), ("fused", report.measures)]:
        table.add_row(leg, *(f"{measures[name]:.4f}" for name in MEASURES))
    return table


def _prepare(dataset: Dataset, encoder: str, language: str | None) -> Scratch:
    with progress_bar("Embedding") as show:

        def searchable(now: Progress) -> None:
            show(now.done + now.parked, now.total)

        return prepare_scratch(dataset, encoder=encoder, language=language, on_progress=searchable)


def _evaluate(
    dataset: Dataset, scratch: Scratch, profile: str | None, limit: int | None
) -> RunReport:
    chosen = load_profile(scratch.workspace, profile)
    with progress_bar("Asking") as show:

        def asked(done: int) -> None:
            show(done, min(len(dataset.queries), limit or len(dataset.queries)))

        return evaluate(dataset, scratch.workspace, settings=chosen, limit=limit, on_progress=asked)
