"""Retrieval side by side, and what the product adds to its own parts.

    python -m benchmarks.retrieval install-peers
    python -m benchmarks.retrieval compare DIR [DIR …] [--limit N] [--json]
    python -m benchmarks.retrieval latency [--passages 100000] [--questions 200] [--json]

compare: Unabridged, LlamaIndex and Haystack, as each comes, on folders in BEIR layout with
the same MiniLM weights; the frameworks live in an environment of their own. latency: the
whole of `/api/v1/retrieve` over a made-up workspace against encoding the question and the
bare SQL of its legs; exits 1 when it takes more than 1.5 times as long.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.retrieval.framework import DEFAULT_PYTHON, SYSTEMS, PeersMissing, install_peers
from benchmarks.stack import benchmark_stack


def main(arguments: list[str] | None = None) -> int:
    """Exit status."""
    given = parser().parse_args(arguments)
    run = {"compare": run_compare, "latency": run_latency, "install-peers": run_install}
    try:
        return run[given.command](given)
    except PeersMissing as error:
        print(error, file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """The three commands."""
    described = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=described)
    commands = whole.add_subparsers(dest="command", required=True)
    comparing = commands.add_parser("compare")
    comparing.add_argument("folders", nargs="+", type=Path)
    comparing.add_argument("--limit", type=int, help="ask the first N questions only")
    systems = ["unabridged", *SYSTEMS]
    comparing.add_argument("--systems", nargs="+", choices=systems, default=systems)
    comparing.add_argument("--peers-python", type=Path, default=DEFAULT_PYTHON)
    comparing.add_argument("--peer-window", type=int, help="tokens; default: as the model says")
    comparing.add_argument("--cache", type=Path, help="folder that keeps the frameworks' vectors")
    timing = commands.add_parser("latency")
    timing.add_argument("--passages", type=int, default=100_000)
    timing.add_argument("--questions", type=int, default=200)
    timing.add_argument("--data", type=Path, help="folder that keeps database and workspace")
    for command in (comparing, timing):
        command.add_argument("--json", action="store_true", help="print figures as JSON")
    installing = commands.add_parser("install-peers")
    installing.add_argument("--peers-python", type=Path, default=DEFAULT_PYTHON)
    return whole


def run_install(given: argparse.Namespace) -> int:
    """Make the frameworks' environment."""
    install_peers(given.peers_python)
    return 0


def run_compare(given: argparse.Namespace) -> int:
    """One table or list."""
    with benchmark_stack(processes=False):
        from benchmarks.retrieval.compare import compare
        from benchmarks.retrieval.report import as_json, as_table

        reports = []
        for report in compare(
            given.folders,
            systems=given.systems,
            limit=given.limit,
            python=given.peers_python,
            cache=given.cache,
            window=given.peer_window,
        ):
            reports.append(report)
            print(f"done: {report.system} on {report.dataset}", file=sys.stderr)
        if given.json:
            print(as_json(reports))
        else:
            Console(width=120).print(as_table(reports))
    return 0


def run_latency(given: argparse.Namespace) -> int:
    """Fill, ask, print; 1 if a limit is broken."""
    with benchmark_stack(processes=False, folder=given.data):
        from benchmarks.retrieval.latency import lines, measure_latency

        figures = measure_latency(passages=given.passages, questions=given.questions)
        print(json.dumps(figures, indent=2) if given.json else lines(figures))
    return 0 if figures["kept"] else 1


if __name__ == "__main__":
    sys.exit(main())
