"""`manage.py evaluate_retrieval --dataset DIR`: how well the pipeline finds the right articles."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from rich.console import Console

from chat.evaluation.comparison import Comparison, compare
from chat.evaluation.dataset import load_dataset
from chat.evaluation.printing import comparison_tables, figures_of, tables_of
from chat.evaluation.trials import Options, Trial, Tried, dataset_trial, perform, set_trial
from chat.evaluation.turns import HistoryMode
from chat.models import QuestionSet
from embeddings import waiting
from embeddings.live import live_version
from kb.commands import DomainCommand, find_workspace
from kb.errors import InvalidInput, NotFound
from kb.languages import Language
from kb.progress import progress_bar

Prepare = Callable[[Options], Trial]


class Command(DomainCommand):
    """Asks every question of a dataset (imported once into a scratch workspace) or of a
    workspace's own set."""

    help = "Measure retrieval on a dataset in the BEIR layout or on a workspace's question set."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Questions, and how they are asked."""
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--dataset", type=Path, metavar="DIR")
        where.add_argument("--question-set", metavar="SLUG", help="of --workspace")
        parser.add_argument(
            "--workspace", metavar="SLUG", help="whose question set or profiles these are"
        )
        parser.add_argument("--queries", type=Path, help="instead of DIR/queries.jsonl")
        parser.add_argument("--qrels", type=Path, help="instead of DIR/qrels.tsv")
        parser.add_argument("--profile", metavar="NAME", help="retrieval profile")
        parser.add_argument(
            "--encoder", metavar="NAME", help="alias in settings.ENCODERS, or alias@strategy"
        )
        parser.add_argument(
            "--language", choices=Language.values, help="of the corpus (default: guessed)"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="ask the first N questions only")
        parser.add_argument(
            "--history",
            choices=[mode.value for mode in HistoryMode],
            help="queries are conversations (“user: …”, “agent: …”): ask the last turn with all "
            "turns before it, with the user's, or alone",
        )
        parser.add_argument(
            "--answers", action="store_true", help="judge answers and abstentions too"
        )
        parser.add_argument(
            "--hide-half",
            action="store_true",
            help="--answers with the right article hidden for half of the questions",
        )
        parser.add_argument(
            "--fit-half",
            action="store_true",
            help="with --answers or --hide-half: fit the confidence to one half of the questions "
            "and judge it on the other",
        )
        parser.add_argument(
            "--compare",
            metavar="WHAT=NAME",
            help="ask again with another profile=, encoder= or strategy=, and compare",
        )
        parser.add_argument("--json", action="store_true", help="print figures as JSON")

    def run(self, *, json: bool, compare: str | None, **given: Any) -> None:
        """Prepare, ask, perhaps ask again, report."""
        options = _options(given)
        other = _compared(options, compare) if compare else None
        prepare = _preparation(given)
        first = self._try(prepare(options))
        second = self._try(prepare(other)) if other else None
        if json:
            self.stdout.write(as_json(first, second))
        else:
            self._print(first, second, compare or "")

    def _try(self, trial: Trial) -> Tried:
        for problem in trial.scratch.skipped:
            self.stderr.write(f"left out: {problem}")
        with progress_bar("Asking") as show:
            return perform(trial, on_progress=show)

    def _print(self, first: Tried, second: Tried | None, compared: str) -> None:
        console = Console(file=self.stdout, width=100)  # type: ignore[arg-type]  # it has write and flush
        for each in tables_of(first):
            console.print(each)
        if second is None:
            return
        console.print(f"\n[bold]{compared}[/bold]")
        for each in tables_of(second):
            console.print(each)
        for each in comparison_tables(_comparison(first, second), ("first", compared)):
            console.print(each)


def as_json(first: Tried, second: Tried | None) -> str:
    """The first run's figures at the top; the second's and the differences in `compare`."""
    figures = figures_of(first)
    if second is not None:
        figures["compare"] = figures_of(second) | _comparison(first, second).as_json()
    return json.dumps(figures, indent=2)


def _comparison(first: Tried, second: Tried) -> Comparison:
    return compare(first.outcomes, second.outcomes)


def _options(given: dict[str, Any]) -> Options:
    if given["limit"] is not None and given["limit"] < 1:
        raise InvalidInput("--limit must be 1 or more.")
    workspace = find_workspace(given["workspace"]) if given["workspace"] else None
    if given["question_set"] and workspace is None:
        raise InvalidInput("--question-set needs --workspace.")
    if given["question_set"] and (given["history"] or given["hide_half"]):
        raise InvalidInput("--history and --hide-half are for datasets.")
    if given["fit_half"] and not (given["answers"] or given["hide_half"]):
        raise InvalidInput("--fit-half needs --answers or --hide-half.")
    own = live_version(workspace).encoder if given["question_set"] and workspace else None
    return Options(
        encoder=given["encoder"] or own or settings.DEFAULT_ENCODER,
        profile=given["profile"],
        workspace=workspace,
        language=given["language"],
        history=HistoryMode(given["history"]) if given["history"] else None,
        answers=given["answers"] or given["hide_half"],
        hide_half=given["hide_half"],
        fit_half=given["fit_half"],
        limit=given["limit"],
    )


def _compared(options: Options, wanted: str) -> Options:
    what, _, name = wanted.partition("=")
    return options.compared(what.strip(), name.strip())


def _preparation(given: dict[str, Any]) -> Prepare:
    if given["question_set"]:
        asked = QuestionSet.objects.select_related("workspace")
        question_set = asked.filter(
            slug=given["question_set"], workspace__slug=given["workspace"]
        ).first()
        if question_set is None:
            raise NotFound(f"There is no question set {given['question_set']!r}.")
        return lambda options: set_trial(question_set, options)
    dataset = load_dataset(given["dataset"], queries=given["queries"], judgements=given["qrels"])

    def prepare(options: Options) -> Trial:
        with progress_bar("Embedding") as show:

            def searchable(now: waiting.Progress) -> None:
                show(now.done + now.parked, now.total)

            return dataset_trial(dataset, options, on_embedding=searchable)

    return prepare
