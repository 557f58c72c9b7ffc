"""Fit and judge the shipped confidence (`chat.answering.confidence`).

    python -m benchmarks.fit_confidence collect rows.jsonl DIR [DIR …] [--per-set 100]
    python -m benchmarks.fit_confidence fit rows.jsonl [--held-out sample] [--features NAME …]
    python -m benchmarks.fit_confidence judge rows.jsonl

`collect` asks the questions of data sets (folders that `evaluate_retrieval --dataset` takes;
`kb/sample` has near misses) through the real pipeline: in their own knowledge base, in it
without the article that answers (hard negatives), and in the others' (easy negatives).
`fit` prints coefficients, AUROC, calibration and what each threshold does, `judge` the same
of the shipped coefficients.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from chat.evaluation.abstention import Judged
    from chat.evaluation.questions import AskedQuestion
    from chat.evaluation.run import Asker

Array = NDArray[np.float64]
Row = dict[str, Any]

ANSWERABLE = 2 / 3
ROWS_PER_SET = 200  # what a set is worth against the ridge
SHIPPED_RIDGE = 0.1
THRESHOLDS = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSource:
    """A knowledge base, embedded, and questions about it."""

    name: str
    asker: Asker
    questions: list[AskedQuestion]


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("rows", type=Path)
    collecting.add_argument("folders", nargs="+", type=Path)
    collecting.add_argument("--per-set", type=int, default=100)
    fitting = commands.add_parser("fit")
    fitting.add_argument("rows", type=Path)
    fitting.add_argument("--held-out", default="sample")
    fitting.add_argument("--features", nargs="*", help="only these")
    judging = commands.add_parser("judge")
    judging.add_argument("rows", type=Path)
    given = parser.parse_args()
    if given.command == "collect":
        collect(given.rows, given.folders, given.per_set)
    elif given.command == "judge":
        report_shipped(given.rows)
    else:
        report(given.rows, given.held_out, given.features)


def collect(rows: Path, folders: list[Path], per_set: int) -> None:
    """Append one JSON object per question and situation."""
    sources = [read_source(folder) for folder in folders]
    with rows.open("a") as file:
        for source in sources:
            others = [
                question
                for other in sources
                if other is not source
                for question in other.questions
                if question.places
            ]
            chance = random.Random(source.name)
            own = chance.sample(source.questions, min(per_set, len(source.questions)))
            foreign = chance.sample(others, min(per_set // 2, len(others)))
            for row in asked_rows(source, own, foreign):
                file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"{source.name}: done", file=sys.stderr, flush=True)


def read_source(folder: Path) -> QuestionSource:
    """A data set in its scratch workspace."""
    from django.conf import settings

    from chat.evaluation.dataset import load_dataset
    from chat.evaluation.trials import Options, dataset_trial

    options = Options(encoder=settings.DEFAULT_ENCODER, answers=True)
    trial = dataset_trial(load_dataset(folder), options)
    return QuestionSource(name=trial.name, asker=trial.asker, questions=list(trial.questions))


def asked_rows(
    source: QuestionSource, own: list[AskedQuestion], foreign: list[AskedQuestion]
) -> Iterator[Row]:
    """Own questions, the same without the articles that answer, and foreign ones."""
    from chat.evaluation.run import ask

    asked = [("answerable" if each.places else "unanswerable", each) for each in own]
    asked += [("hidden", replace(each, hidden=True)) for each in own if each.places]
    asked += [("foreign", replace(each, places=())) for each in foreign]
    for kind, question in asked:
        outcome = ask(question, source.asker, shelves={})
        yield {
            "set": source.name,
            "kind": kind,
            "question": question.text,
            "features": outcome.evidence,
            "right": outcome.right,
        }


def report(path: Path, held_out: str, only: list[str] | None) -> None:
    """Fit on all sets but one, and say how it does on each, and on the one left out."""
    from chat.evaluation.logistic import fit

    rows = read_rows(path)
    names = only or sorted(rows[0]["features"])
    training = [row for row in rows if row["set"] != held_out]
    labels = np.array([float(bool(row["right"])) for row in training])
    coefficients = fit(matrix(training, names), labels, balanced(training), ridge=SHIPPED_RIDGE)
    print(json.dumps(dict(zip(["bias", *names], np.round(coefficients, 2).tolist(), strict=True))))
    describe_each(rows, names, coefficients)
    describe("all but held out", training, names, coefficients)


def report_shipped(path: Path) -> None:
    """How the coefficients do that the product has now."""
    from chat.answering.confidence import COEFFICIENTS

    bias, *names = ["bias", *sorted(set(COEFFICIENTS) - {"bias"})]
    describe_each(read_rows(path), names, np.array([COEFFICIENTS[n] for n in (bias, *names)]))


def read_rows(path: Path) -> list[Row]:
    """What `collect` wrote."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def describe_each(rows: list[Row], names: list[str], coefficients: Array) -> None:
    """Set by set."""
    for name in sorted({row["set"] for row in rows}):
        describe(name, [row for row in rows if row["set"] == name], names, coefficients)


def describe(name: str, rows: list[Row], names: list[str], coefficients: Array) -> None:
    """One line of quality, and a line per threshold."""
    from chat.evaluation.abstention import auroc, point_at
    from chat.evaluation.calibrating import figures_of

    judged = judge(rows, names, coefficients)
    figures = figures_of(judged)
    near = np.array([row["kind"] != "foreign" for row in rows])
    print(
        f"\n{name}: {len(rows)} rows, "
        f"right if it always answers {judged.right[judged.answerable].mean():.2f}, "
        f"AUROC right answer {figures['auroc_right']} "
        f"(without foreign questions {auroc(judged.right[near], judged.scores[near])}), "
        f"AUROC answerable {figures['auroc_answerable']}, "
        f"calibration error {figures['calibration_error']}"
    )
    for threshold in THRESHOLDS:
        point = point_at(judged, threshold)
        print(
            f"  from {threshold}: answers {point['answered']} of the answerable, "
            f"{point['wrong']} of the answers wrong, declines {point['declined']} of the others"
        )


def judge(rows: list[Row], names: list[str], coefficients: Array) -> Judged:
    """The rows with the confidence that these coefficients give."""
    from chat.evaluation.abstention import Judged
    from chat.evaluation.logistic import probability

    judged = Judged(
        scores=np.zeros(len(rows)),
        right=np.array([bool(row["right"]) for row in rows]),
        quoted=np.array([row["right"] is not None for row in rows]),
        answerable=np.array([row["kind"] == "answerable" for row in rows]),
    )
    return judged.scored(probability(matrix(rows, names), coefficients))


def matrix(rows: list[Row], names: list[str]) -> Array:
    """Shape (rows, names)."""
    return np.array([[row["features"][name] for name in names] for row in rows])


def balanced(rows: list[Row]) -> Array:
    """Each set counts the same, and in each the answerable questions two thirds: the
    probability is meant for visitors, most of whom ask what the articles answer."""
    kinds = [(row["set"], row["kind"] == "answerable") for row in rows]
    sizes = Counter(kinds)
    return np.array(
        [ROWS_PER_SET * (ANSWERABLE if kind[1] else 1 - ANSWERABLE) / sizes[kind] for kind in kinds]
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.runtime.servers import ensure_services

    ensure_services()
    import django

    django.setup()
    main()
