"""The vector search benchmark at sizes that a test can wait for."""

from __future__ import annotations

import pytest

from benchmarks.vector_search import P95_RATIO_AT_MOST, RECALL_AT_LEAST, run
from embeddings.partitions import drop_orphans
from kb.models import Workspace


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_recall_and_growth_at_5_000_and_20_000() -> None:
    report = run([5_000, 20_000], questions=40)
    Workspace.objects.all().delete()
    drop_orphans()
    ways = {(each["filter"], each["way"]) for each in report["figures"]}
    assert ways == {("", "graph"), ("10%", "exact"), ("1%", "exact")}
    assert all(each["recall_at_10"] >= RECALL_AT_LEAST for each in report["figures"])
    assert all(each["recall_at_limit"] >= 0.95 for each in report["figures"])
    assert max(report["p95_ratio"].values()) <= P95_RATIO_AT_MOST
    assert [len(build["indexes"]) for build in report["builds"].values()] == [1, 1]
