"""How far a version is, how fast it goes and what it costs, in exact figures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from embeddings.filling.loop import embed_pending
from embeddings.models import EntryState, IndexVersion, TokenSpend, VersionState
from embeddings.services.running import cancel_version
from embeddings.watching.progress import VersionProgress, version_progress
from kb.models import Workspace
from tests.conftest import HASH_ENCODERS
from tests.embeddings.standing import (
    age,
    ago,
    building,
    change,
    embedded,
    entries,
    leased,
    worker,
)
from tests.embeddings.versions import ANNA, fresh, put_in
from tests.factories import make_article

__all__ = ["building", "worker"]


def test_counts_are_those_of_published_revisions(
    building: IndexVersion, workspace: Workspace
) -> None:
    first, second, third, _ = entries(building)
    embedded(first, seconds_ago=10)
    leased(second)
    change(third, state=EntryState.PARKED)
    make_article(workspace)  # has no entry yet
    make_article(workspace, published=False)
    progress = version_progress(building)
    assert (progress.total, progress.done, progress.embedding, progress.parked) == (5, 1, 1, 1)
    assert (progress.pending, progress.tokens, progress.percent) == (2, 10, 20.0)


def test_speed_is_that_of_the_last_two_minutes(building: IndexVersion) -> None:
    age(building, 1_000)
    first, second, third, _ = entries(building)
    embedded(first, seconds_ago=500)
    embedded(second, seconds_ago=100, tokens=180)
    embedded(third, seconds_ago=20, tokens=60)
    progress = version_progress(fresh(building))
    assert progress.tokens_per_second == pytest.approx(2.0)
    # 250 tokens for 150 characters: 83 for the 50 that are left.
    assert progress.eta_seconds == pytest.approx(250 * 50 / 150 / 2.0, rel=0.01)
    assert progress.waits_for != ""


def test_speed_of_a_young_version_is_not_thinned_by_the_time_before(
    building: IndexVersion,
) -> None:
    age(building, 10)
    embedded(entries(building)[0], seconds_ago=5, tokens=50)
    assert version_progress(fresh(building)).tokens_per_second == pytest.approx(5.0, rel=0.02)


def test_speed_is_counted_anew_when_building_goes_on_only(building: IndexVersion) -> None:
    age(building, 100)
    embedded(entries(building)[0], seconds_ago=50, tokens=200)
    assert version_progress(fresh(building)).tokens_per_second == pytest.approx(2.0, rel=0.02)
    IndexVersion.objects.update(state_since=ago(10))
    assert version_progress(fresh(building)).tokens_per_second == 0
    done = put_in(building, VersionState.READY)
    assert version_progress(done).tokens_per_second == pytest.approx(2.0, rel=0.02)


def test_time_left_is_not_made_up(building: IndexVersion, workspace: Workspace) -> None:
    assert version_progress(building).eta_seconds is None
    embed_pending(building)
    done = version_progress(fresh(building))
    assert (done.eta_seconds, done.percent, done.tokens) == (0.0, 100.0, 40)
    make_article(workspace)
    assert version_progress(fresh(building)).percent == 80.0


def test_hundred_percent_is_all_of_them() -> None:
    assert VersionProgress(state="building", total=10_000, done=9_999).percent == 99.9
    assert VersionProgress(state="building", total=0).percent == 100.0


def test_version_that_is_over_has_no_figures(building: IndexVersion) -> None:
    embed_pending(building)
    cancelled = cancel_version(building, actor=ANNA)
    progress = version_progress(cancelled)
    assert (progress.total, progress.done, progress.waits_for) == (0, 0, "")


def test_money_is_what_was_counted_and_what_is_left(
    building: IndexVersion, settings: Settings
) -> None:
    priced = {**HASH_ENCODERS["hash-wide"], "PRICE_PER_MILLION": 2.0, "CURRENCY": "EUR"}
    settings.ENCODERS = {**HASH_ENCODERS, "hash-wide": priced}
    first, second, *_ = entries(building)
    embedded(first, seconds_ago=1, tokens=500_000)
    embedded(second, seconds_ago=1, tokens=500_000)
    today, yesterday = timezone.now().date(), timezone.now().date() - timedelta(days=1)
    for day, tokens in ((today, 1_200_000), (yesterday, 9_000_000)):
        TokenSpend.objects.create(
            workspace=building.workspace, encoder="hash-wide", day=day, tokens=tokens
        )
    progress = version_progress(building)
    assert (progress.paid_tokens, progress.cost, progress.currency) == (1_200_000, 2.4, "EUR")
    assert progress.expected_cost == 4.8  # as much again for the other half
    assert progress.money == "2.40 of about 4.80 EUR"


def test_money_without_a_price_is_said_to_be_unknown(
    building: IndexVersion, settings: Settings
) -> None:
    backend = "embeddings.encoders.api.jina_api.JinaApiEncoder"
    settings.ENCODERS = {"hash-wide": {"BACKEND": backend, "STRATEGY": "windows"}}
    progress = version_progress(building)
    assert (progress.cost, progress.expected_cost) == (None, None)
    assert progress.money == "no price is configured; 0 tokens counted so far"
    settings.ENCODERS = {}
    assert version_progress(building).money == ""


def test_model_of_ones_own_costs_nothing(building: IndexVersion) -> None:
    assert version_progress(building).money == ""


def test_metrics_have_versions_by_state_and_their_speed(
    building: IndexVersion, client: Client
) -> None:
    embedded(entries(building)[0], seconds_ago=1, tokens=1_200)
    metrics = client.get("/metrics").content.decode()
    assert 'unabridged_index_versions{state="building"} 1.0' in metrics
    assert 'unabridged_index_versions{state="live"} 1.0' in metrics
    assert "unabridged_embedded_tokens_per_second 10.0" in metrics
