"""Another model for a workspace in use, step by step, with whatever can happen meanwhile."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass, field

from django.db import connections

from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.services.cutting_over import cut_over, roll_back
from embeddings.services.moving import Actor
from embeddings.services.starting import Pace, start_version
from kb.models import Workspace
from tests.embedded import session_servers
from tests.factories import live
from tests.journeys.processes import Fleet, wait_for
from tests.journeys.searchable import all_searchable, holds_what_is_published

JOURNEY = Actor(name="journey")
OVERRIDE = "Random weights: worse by design."
BACK = "It was only a journey."
REDIS_AWAY_SECONDS = 3.0
LAST_KILLS = 2  # one after the cut-over, one after the way back


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a journey is. `patience` is what the build and the last edits may take;
    `tokens_per_second` makes the build last as long as what happens meanwhile; PostgreSQL is
    away for `away_seconds`, longer than a question waits for it."""

    articles: int
    characters: int
    workers: int
    kills: int
    kill_each_seconds: float
    tokens_per_second: int
    questions_per_second: float
    edits_per_second: float
    away_seconds: float
    calm_seconds: float
    patience: float


@dataclass(slots=True, kw_only=True)
class Switch:
    """One journey: its steps in order, and when they were (`time.monotonic`)."""

    workspace: Workspace
    fleet: Fleet
    size: Size
    encoder: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    phases: list[tuple[str, float]] = field(default_factory=list)
    kills: int = 0
    kills_at_work: int = 0
    away: tuple[float, float] = (0.0, 0.0)
    switched: tuple[float, float] = (0.0, 0.0)
    returned: tuple[float, float] = (0.0, 0.0)
    chance: random.Random = field(default_factory=lambda: random.Random(11))

    def fill_first_version(self) -> IndexVersion:
        """Workers up, and everything searchable by the model that is there now."""
        self.fleet.beat()
        self.workers += [self.fleet.worker() for _ in range(self.size.workers)]
        old = live(self.workspace)
        wait_for(lambda: all_searchable(old), seconds=self.size.patience, what="the first index")
        return old

    def build(self) -> IndexVersion:
        """Start the other model's version; workers, Redis and PostgreSQL go down on the way."""
        self.begin("idle")
        time.sleep(self.size.calm_seconds / 2)
        self.begin("building")
        pace = Pace(tokens_per_second=self.size.tokens_per_second)
        new = start_version(self.workspace, encoder=self.encoder, actor=JOURNEY, pace=pace)
        kills = self.size.kills - LAST_KILLS
        for number in range(kills):
            time.sleep(self.chance.uniform(0, 2 * self.size.kill_each_seconds))
            wait_for(_at_work, seconds=self.size.patience, what="a worker takes up work")
            self.kill_a_worker()
            if number == kills // 3:
                self.restart_redis()
            if number == 2 * kills // 3:
                self.restart_postgres()
        wait_for(
            lambda: _state(new) == VersionState.READY,
            seconds=self.size.patience,
            what="the new version is ready",
        )
        return IndexVersion.objects.get(pk=new.pk)

    def cut_over(self, new: IndexVersion) -> None:
        """The new version answers; more is written, and a worker dies."""
        began = time.monotonic()
        cut_over(new, actor=JOURNEY, override=OVERRIDE, patience=self.size.patience)
        self.switched = (began, time.monotonic())
        self.begin("cut over")
        self._live_on()

    def roll_back(self) -> None:
        """The old version answers again; more is written, and a worker dies."""
        began = time.monotonic()
        roll_back(self.workspace, actor=JOURNEY, reason=BACK, patience=self.size.patience)
        self.returned = (began, time.monotonic())
        self.begin("rolled back")
        self._live_on()

    def settle(self, versions: list[IndexVersion]) -> None:
        """Wait until every receiving version holds exactly what is published."""
        for version in versions:
            wait_for(
                lambda version=version: holds_what_is_published(version),  # type: ignore[misc]  # bound now
                seconds=self.size.patience,
                what=f"version {version.number} holds what is published",
            )

    def begin(self, phase: str) -> None:
        """Note when a phase began."""
        self.phases.append((phase, time.monotonic()))

    def kill_a_worker(self) -> None:
        """`kill -9` of one; another takes its place."""
        self.kills += 1
        self.kills_at_work += _at_work()
        dead = self.workers.pop(self.chance.randrange(len(self.workers)))
        self.fleet.kill(dead)
        self.workers.append(self.fleet.worker())

    def restart_redis(self) -> None:
        """Away for a while, then back with what it had on disk."""
        redis = session_servers().redis
        redis.stop()
        time.sleep(REDIS_AWAY_SECONDS)
        redis.start()

    def restart_postgres(self) -> None:
        """Sessions are cut off; a while later it is back at the same address."""
        postgres = session_servers().postgres
        connections.close_all()
        began = time.monotonic()
        postgres.stop()
        time.sleep(self.size.away_seconds)
        postgres.start()
        self.away = (began, time.monotonic())

    def _live_on(self) -> None:
        before = self.chance.uniform(0.3, 0.7) * self.size.calm_seconds
        time.sleep(before)
        self.kill_a_worker()
        time.sleep(self.size.calm_seconds - before)


def _at_work() -> bool:
    return IndexEntry.objects.filter(state=EntryState.EMBEDDING).exists()


def _state(version: IndexVersion) -> str:
    now = IndexVersion.objects.get(pk=version.pk)
    assert now.state != VersionState.FAILED, now.problem
    return now.state
