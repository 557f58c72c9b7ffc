"""Asks every question of a dataset through the real pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import quantiles

from chat.evaluation.dataset import Dataset
from chat.evaluation.metrics import measure
from chat.retrieval.legs import ARTICLE, ARTICLE_WORDS, PASSAGE, PASSAGE_WORDS
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.retrieval.settings import PipelineSettings
from kb.models import Article, Workspace

DEPTH = 10  # the deepest measure looks at ten articles


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Measures of the fused ranking and of each leg alone; latencies in milliseconds."""

    queries: int
    measures: dict[str, float]
    legs: dict[str, dict[str, float]]
    p50_ms: float
    p95_ms: float


def evaluate(
    dataset: Dataset,
    workspace: Workspace,
    *,
    settings: PipelineSettings,
    limit: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> RunReport:
    """Ask the first `limit` questions (None: all). `on_progress` is told how many were asked."""
    settings = replace(settings, articles=max(settings.articles, DEPTH))
    names = dict(Article.objects.in_workspace(workspace).values_list("pk", "external_id"))
    rankings: dict[str, dict[str, list[str]]] = {}
    latencies: list[float] = []
    for number, (query, text) in enumerate(islice(dataset.queries.items(), limit), start=1):
        retrieval = retrieve(text, workspace=workspace, include_internal=True, profile=settings)
        latencies.append(retrieval.timings["total"])
        for leg, articles in _rankings(retrieval).items():
            ranking = [str(names[article]) for article in articles if article in names]
            rankings.setdefault(leg, {})[query] = ranking
        if on_progress:
            on_progress(number)
    return _report(dataset, rankings, latencies)


def _report(
    dataset: Dataset, rankings: dict[str, dict[str, list[str]]], latencies: list[float]
) -> RunReport:
    asked = {query: dataset.judgements[query] for query in rankings["fused"]}
    measures = {leg: measure(ranking, asked) for leg, ranking in rankings.items()}
    return RunReport(
        queries=len(asked),
        measures=measures.pop("fused"),
        legs=measures,
        p50_ms=_percentile(latencies, 50),
        p95_ms=_percentile(latencies, 95),
    )


def _rankings(retrieval: Retrieval) -> dict[str, list[int]]:
    legs = retrieval.legs
    by_words = sorted(
        zip(legs.passages, legs.passage_words, strict=True), key=lambda pair: -pair[1]
    )
    return {
        "fused": [hit.source.article_id for hit in retrieval.hits],
        PASSAGE: _distinct(hit.article_id for hit in legs.passages),
        PASSAGE_WORDS: _distinct(hit.article_id for hit, _ in by_words),
        ARTICLE: _distinct(hit.article_id for hit in legs.articles),
        ARTICLE_WORDS: _distinct(hit.article_id for hit in legs.texts),
    }


def _distinct(articles: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(articles))


def _percentile(values: Sequence[float], percent: int) -> float:
    if len(values) == 1:
        return round(values[0], 1)
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 1)
