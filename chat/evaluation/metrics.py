"""Measures of a ranking, by the library ir-measures (TREC's own definitions)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
from ir_measures import RR, R, Success, nDCG

from chat.evaluation.dataset import Judgements

MEASURES = {
    "ndcg@10": nDCG @ 10,
    "recall@5": R @ 5,
    "hit@1": Success @ 1,
    "mrr@10": RR @ 10,
}


def measure(rankings: Mapping[str, Sequence[str]], judgements: Judgements) -> dict[str, float]:
    """Means over all judged questions of rankings of articles, best first.

    A question without a ranking counts as 0.
    """
    # TREC's tools order by score, so the ranking is given as falling scores.
    run = {
        query: {article: float(-place) for place, article in enumerate(ranking)}
        for query, ranking in rankings.items()
    }
    qrels = {query: dict(judged) for query, judged in judgements.items()}
    found = ir_measures.calc_aggregate(list(MEASURES.values()), qrels, run)
    return {name: round(float(found[measure]), 4) for name, measure in MEASURES.items()}
