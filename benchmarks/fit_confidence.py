"""Fit and judge the shipped confidence (`chat.answering.confidence`).

    python -m benchmarks.fit_confidence collect rows.jsonl DIR [DIR …] [--per-set 100]
    python -m benchmarks.fit_confidence fit rows.jsonl [--held-out sample]

`collect` asks the questions of BEIR folders through the real pipeline, in their own
knowledge base, in it without the article that answers (hard negatives), and in the others'
(easy negatives); DIR may be `sample` for the sample knowledge base with its near misses.
`fit` prints coefficients, AUROC, calibration and what each threshold does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.logistic import Array, auroc, calibration_error, fit, operating_points, probability

ANSWERABLE = 2 / 3
ROWS_PER_SET = 200  # what a set is worth against the ridge


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("rows", type=Path)
    collecting.add_argument("folders", nargs="+")
    collecting.add_argument("--per-set", type=int, default=100)
    fitting = commands.add_parser("fit")
    fitting.add_argument("rows", type=Path)
    fitting.add_argument("--held-out", default="sample")
    fitting.add_argument("--features", nargs="*", help="only these")
    given = parser.parse_args()
    if given.command == "collect":
        collect(given.rows, given.folders, given.per_set)
    else:
        report(given.rows, given.held_out, given.features)


def collect(rows: Path, folders: list[str], per_set: int) -> None:
    """Append one JSON object per question and situation."""
    from benchmarks.asked import Asker, read_set

    sets = [read_set(folder) for folder in folders]
    with rows.open("a") as file:
        for mine in sets:
            asker = Asker(mine)
            others = [q for other in sets if other is not mine for q in other.questions if q.gold]
            chance = random.Random(mine.name)
            own = chance.sample(mine.questions, min(per_set, len(mine.questions)))
            foreign = chance.sample(others, min(per_set // 2, len(others)))
            for row in asker.rows(own, foreign):
                file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"{mine.name}: done", file=sys.stderr, flush=True)


def report(path: Path, held_out: str, only: list[str] | None) -> None:
    """Fit on all sets but one, and say how it does on each, and on the one left out."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    names = only or sorted(rows[0]["features"])
    training = [row for row in rows if row["set"] != held_out]
    features, labels = matrix(training, names), correct(training)
    coefficients = fit(features, labels, balanced(training), ridge=0.1)
    print(json.dumps(dict(zip(["bias", *names], np.round(coefficients, 2).tolist(), strict=True))))
    for name in sorted({row["set"] for row in rows}):
        describe(name, [row for row in rows if row["set"] == name], names, coefficients)
    describe("all but held out", training, names, coefficients)


def describe(name: str, rows: list[dict[str, Any]], names: list[str], coefficients: Array) -> None:
    """One line of quality, and a line per threshold."""
    scores, labels = probability(matrix(rows, names), coefficients), correct(rows)
    answerable = np.array([float(row["kind"] == "answerable") for row in rows])
    hard = np.array([row["kind"] != "foreign" for row in rows])
    print(
        f"\n{name}: {len(rows)} rows, "
        f"right if it always answers {labels[answerable == 1].mean():.2f}, "
        f"AUROC right answer {auroc(labels, scores):.3f} "
        f"(without foreign questions {auroc(labels[hard], scores[hard]):.3f}), "
        f"AUROC answerable {auroc(answerable, scores):.3f}, "
        f"calibration error {calibration_error(labels, scores):.3f}"
    )
    for point in operating_points(labels, answerable, scores, np.arange(0.2, 0.85, 0.1)):
        print(
            f"  from {point.threshold:.1f}: answers {point.answered:.2f} of the answerable, "
            f"{point.wrong:.2f} of the answers wrong, declines {point.declined:.2f} of the others"
        )


def matrix(rows: list[dict[str, Any]], names: list[str]) -> Array:
    """Shape (rows, names)."""
    return np.array([[row["features"][name] for name in names] for row in rows])


def correct(rows: list[dict[str, Any]]) -> Array:
    """1 where a citation is right."""
    return np.array([float(row["correct"]) for row in rows])


def balanced(rows: list[dict[str, Any]]) -> Array:
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
