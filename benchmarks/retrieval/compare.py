"""Every system on every data set, one after the other, in one run on one machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from benchmarks.retrieval.framework import SYSTEMS, ask_peer, require_peers
from benchmarks.retrieval.ours import ask_ours
from benchmarks.retrieval.report import SystemReport, percentile
from benchmarks.retrieval.weights import weights
from chat.evaluation.dataset import Dataset, load_dataset
from chat.evaluation.metrics import measure

OURS = "unabridged"
ALL_SYSTEMS = (OURS, *SYSTEMS)


def compare(
    folders: Sequence[Path], *, systems: Sequence[str], limit: int | None, python: Path,
    cache: Path | None, window: int | None,
) -> Iterator[SystemReport]:  # fmt: skip
    """Reports as they come; Django must be set up. Raises DatasetInvalid, PeersMissing."""
    if set(systems) - {OURS}:
        require_peers(python)
    datasets = [first(load_dataset(folder), limit) for folder in folders]
    with weights(window) as model:
        for dataset in datasets:
            for system in systems:
                if system == OURS:
                    yield ask_ours(dataset)
                else:
                    yield ask_framework(system, dataset, python=python, cache=cache, model=model)


def first(dataset: Dataset, limit: int | None) -> Dataset:
    """With its first questions only."""
    queries = dict(islice(dataset.queries.items(), limit))
    judgements = {query: dataset.judgements[query] for query in queries}
    return replace(dataset, queries=queries, judgements=judgements)


def ask_framework(
    system: str, dataset: Dataset, *, python: Path, cache: Path | None, model: Path
) -> SystemReport:
    """One of the other frameworks."""
    answer = ask_peer(
        system,
        python=python,
        model=model,
        corpus=dataset.corpus,
        queries=dict(dataset.queries),
        cache=cache,
    )
    return SystemReport(
        system=system,
        dataset=dataset.name,
        measures=measure(answer.rankings, dataset.judgements),
        queries=len(dataset.queries),
        p50_ms=percentile(answer.milliseconds, 50),
        p95_ms=percentile(answer.milliseconds, 95),
        embed_seconds=round(answer.embed_seconds, 1),
        chunks=answer.chunks,
        versions=answer.versions,
    )
