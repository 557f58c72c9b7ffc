"""Re-embedding, measured: each part is a ratio to something in the same run.

    python -m benchmarks.reembed throughput [--articles 300]
    python -m benchmarks.reembed questions [--articles 1000]
    python -m benchmarks.reembed partitions [--vectors 200000]

throughput: a whole re-embedding through a real worker against the bare encoder. questions: the
95th percentile of `/retrieve` while a version is built against idle, the build's speed beside
questions against its speed alone, and the slowest request around cut-overs and roll-backs
against the 99th percentile. partitions: the slowest question while 200,000 vectors are retired
and another workspace's read stays open for 30 s, the slowest save while versions are made, each
against the time before. Prints JSON; exits 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from benchmarks.stack import benchmark_stack


def main(arguments: list[str] | None = None) -> int:
    """Exit status."""
    given = _parser().parse_args(arguments)
    with benchmark_stack():
        figures = _measure(given)
    print(json.dumps(figures, indent=2))
    return 0 if _kept(figures) else 1


def _parser() -> argparse.ArgumentParser:
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=described)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("throughput").add_argument("--articles", type=int, default=300)
    parts.add_parser("questions").add_argument("--articles", type=int, default=1_000)
    parts.add_parser("partitions").add_argument("--vectors", type=int, default=200_000)
    return parser


def _measure(given: argparse.Namespace) -> dict[str, Any]:
    """Imported here: the parts need Django, which is set up by now."""
    if given.part == "throughput":
        from benchmarks.reembed.throughput import measure_throughput

        return measure_throughput(articles=given.articles)
    if given.part == "questions":
        from benchmarks.reembed.questions import measure_questions

        return measure_questions(articles=given.articles)
    from benchmarks.reembed.partitions import measure_partitions

    return measure_partitions(vectors=given.vectors)


def _kept(figures: dict[str, Any]) -> bool:
    """Every limit at any depth."""
    inner = [value for value in figures.values() if isinstance(value, dict)]
    return bool(figures.get("kept", True)) and all(_kept(each) for each in inner)


if __name__ == "__main__":
    sys.exit(main())
