"""Questions while a version is built, and while one is cut over to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db.models import Sum

from benchmarks.reembed.building import BENCH, build, is_ready, wait_until
from benchmarks.reembed.load import Asked, Load, spread
from benchmarks.reembed.site import Site, site_of, web_process, workspace_of
from embeddings.models import IndexEntry, IndexVersion
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.running import pause_version, resume_version
from embeddings.waiting import wait_until_searchable

P95_AT_MOST = 2.0  # during the build, to idle
SPEED_AT_LEAST = 0.3  # of the speed without questions
PAUSE_AT_MOST = 2.0  # the slowest request around a cut-over, to p99
RATE = 10.0
SPAN = 15.0  # seconds of each part of a round
ROUNDS = 2
SWITCHES = 10
AROUND = 2.0  # seconds before and after a cut-over


def measure_questions(*, articles: int) -> dict[str, Any]:
    """Both, on one workspace."""
    workspace = workspace_of("questions", articles=articles)
    wait_until_searchable(workspace, timeout=1800)
    with web_process() as client:
        site = site_of(workspace, client)
        for number in range(20):
            site.ask(number)
        version = build(workspace)
        found = _beside(site, version)
        wait_until(lambda: is_ready(version), seconds=1800, what="the version is ready")
        return {**found, "cut_over": _cutting_over(site, version)}


def _beside(site: Site, version: IndexVersion) -> dict[str, Any]:
    """Rounds of: build alone, build beside questions, questions alone."""
    alone = beside = 0.0
    idle: list[Asked] = []
    busy: list[Asked] = []
    for _ in range(ROUNDS):
        alone += _tokens_in(version, lambda: time.sleep(SPAN))
        load = Load(site.ask, rate=RATE)
        with load.running():
            beside += _tokens_in(version, lambda: time.sleep(SPAN))
        busy += load.asked
        pause_version(version, actor=BENCH)
        time.sleep(5.0)  # the batch in flight
        load = Load(site.ask, rate=RATE)
        with load.running():
            time.sleep(SPAN)
        idle += load.asked
        resume_version(version, actor=BENCH)
        time.sleep(2.0)
    slower = round(spread(busy)["p95_ms"] / spread(idle)["p95_ms"], 2)
    speed = round(beside / alone, 2)
    return {
        "questions_a_second": RATE,
        "idle": spread(idle),
        "while_building": spread(busy),
        "p95_to_idle": slower,
        "p95_limit": P95_AT_MOST,
        "speed_to_unthrottled": speed,
        "speed_limit": SPEED_AT_LEAST,
        "kept": slower <= P95_AT_MOST and speed >= SPEED_AT_LEAST,
    }


def _cutting_over(site: Site, version: IndexVersion) -> dict[str, Any]:
    """There and back, again and again, beside questions."""
    workspace = version.workspace
    moments: list[float] = []
    load = Load(site.ask, rate=RATE)
    with load.running():
        for number in range(SWITCHES):
            time.sleep(2 * AROUND + 1)
            moments.append(time.monotonic())
            if number % 2 == 0:
                cut_over(version, actor=BENCH, override="benchmark")
            else:
                roll_back(workspace, actor=BENCH)
        time.sleep(2 * AROUND)
    near = [each for at in moments for each in load.between(at - 0.5, at + AROUND)]
    # The first requests of the load open connections.
    far = [each for each in load.asked[50:] if each not in near]
    ratio = round(spread(near)["max_ms"] / spread(far)["p99_ms"], 2)
    return {
        "switches": SWITCHES,
        "apart": spread(far),
        "around": spread(near),
        "slowest_to_p99": ratio,
        "limit": PAUSE_AT_MOST,
        "kept": ratio <= PAUSE_AT_MOST,
    }


def _tokens_in(version: IndexVersion, work: Callable[[], object]) -> float:
    """Tokens a second that were embedded meanwhile."""
    before, started = _tokens(version), time.monotonic()
    work()
    return (_tokens(version) - before) / (time.monotonic() - started)


def _tokens(version: IndexVersion) -> int:
    entries = IndexEntry.objects.filter(index_version=version)
    return int(entries.aggregate(sum=Sum("tokens"))["sum"] or 0)
