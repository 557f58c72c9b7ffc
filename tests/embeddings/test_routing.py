"""The arithmetic of routes."""

from __future__ import annotations

from embeddings.routing import candidates, exact_up_to


def test_more_candidates_for_more_results_and_narrower_scopes() -> None:
    assert candidates(10, share=1.0) == candidates(100, share=0.95) == 200
    assert candidates(300, share=1.0) == 600
    assert candidates(10, share=0.1) == 400
    assert candidates(10, share=0.0) == candidates(900, share=1.0) == 1_000


def test_exact_scans_reach_further_in_larger_versions() -> None:
    assert exact_up_to(100_000, limit=10) == 20_000
    assert exact_up_to(1_000_000, limit=100) == 44_721
