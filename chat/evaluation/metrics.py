"""Measures of a ranking, by the library ir-measures (TREC's own definitions)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import ir_measures
from ir_measures import RR, R, Success, nDCG

from chat.evaluation.dataset import Judgements

MEASURES = {
    "ndcg@10": nDCG @ 10,
    "recall@1": R @ 1,
    "recall@3": R @ 3,
    "recall@5": R @ 5,
    "recall@10": R @ 10,
    "hit@1": Success @ 1,
    "mrr@10": RR @ 10,
}
DEPTH = 10  # the deepest measure looks at ten articles
RECALL_DEPTHS = (1, 3, 5, 10)

_NAMES = {measure: name for name, measure in MEASURES.items()}


def measure(rankings: Mapping[str, Sequence[str]], judgements: Judgements) -> dict[str, float]:
    """Means over all judged questions of rankings of articles, best first.

    A question without a ranking counts as 0.
    """
    found = _calculate(rankings, judgements)
    return mean_measures(found[query] for query in judgements)


def measure_question(
    rankings: Mapping[str, Sequence[int]], judged: Mapping[int, int]
) -> dict[str, dict[str, float]]:
    """The measures of one question by the name of each ranking of article ids."""
    named = {
        name: [str(article) for article in dict.fromkeys(ranking)]
        for name, ranking in rankings.items()
    }
    relevant = {str(article): relevance for article, relevance in judged.items()}
    return dict(_calculate(named, dict.fromkeys(rankings, relevant)))


def mean_measures(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Means by name to four digits, each over those that have it; empty for none."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for measures in each:
        for name, value in measures.items():
            values[name].append(value)
    means = {name: round(sum(found) / len(found), 4) for name, found in values.items()}
    return {name: means[name] for name in measures_in_order(means)}


def measures_in_order(names: Iterable[str]) -> list[str]:
    """As above, others last: JSON that was stored keeps no order."""
    known = list(MEASURES)
    return sorted(names, key=lambda name: known.index(name) if name in MEASURES else len(known))


def _calculate(
    rankings: Mapping[str, Sequence[str]], judgements: Judgements
) -> dict[str, dict[str, float]]:
    # TREC's tools order by score, so the ranking is given as falling scores.
    run = {
        query: {article: float(-place) for place, article in enumerate(ranking)}
        for query, ranking in rankings.items()
    }
    qrels = {query: dict(judged) for query, judged in judgements.items()}
    found: dict[str, dict[str, float]] = {query: {} for query in judgements}
    for metric in ir_measures.iter_calc(list(_NAMES), qrels, run):
        found[metric.query_id][_NAMES[metric.measure]] = float(metric.value)
    return {
        query: {name: measures.get(name, 0.0) for name in MEASURES}
        for query, measures in found.items()
    }
