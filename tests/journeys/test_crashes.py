"""Workers die, Redis forgets everything: every article ends searchable, once, none stale."""

from __future__ import annotations

import os
import random
import time

import pytest
import redis

from embeddings.models import EntryState, IndexEntry
from kb.models import Article, Workspace
from kb.signals import articles_changed
from tests.factories import add_revision, live, make_article
from tests.journeys.articles import recomposed
from tests.journeys.processes import Fleet, wait_for
from tests.journeys.searchable import all_searchable, assert_each_once_and_none_stale

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def publish(workspace: Workspace, bodies: list[str]) -> list[Article]:
    """Articles, published, with the signal that the services send."""
    articles = [
        make_article(workspace, title=f"Case {number}", body=body)
        for number, body in enumerate(bodies)
    ]
    articles_changed.send(
        None, workspace_id=workspace.pk, article_ids=[a.pk for a in articles], bulk=True
    )
    return articles


def edit(article: Article, body: str) -> None:
    """A new published revision, with the signal."""
    add_revision(article, title="Edited", body=body)
    articles_changed.send(
        None, workspace_id=article.workspace_id, article_ids=[article.pk], bulk=False
    )


def flush_redis() -> None:
    """Redis forgets every message."""
    redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()


@pytest.mark.parametrize(
    ("kills", "count"),
    [
        pytest.param(3, 40, id="small"),
        pytest.param(20, 200, id="full", marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
    ],
)
def test_killed_workers_lose_double_and_stale_nothing(
    workspace: Workspace, fleet: Fleet, kills: int, count: int
) -> None:
    chance = random.Random(kills)
    version = live(workspace)
    fleet.beat()
    worker = fleet.worker()
    articles = publish(workspace, recomposed(count))
    deaths_at_work = 0
    for kill in range(kills):
        wait_for(
            lambda: (
                IndexEntry.objects.filter(state=EntryState.EMBEDDING).exists()
                or all_searchable(version)
            ),
            seconds=60,
            what="a worker takes up work",
        )
        time.sleep(chance.uniform(0, 1.0))
        deaths_at_work += IndexEntry.objects.filter(state=EntryState.EMBEDDING).exists()
        fleet.kill(worker)
        if kill == kills // 2:
            flush_redis()
        for article in chance.sample(articles, 3):
            edit(article, f"Edited after death {kill}. {chance.random()} " * 40)
        worker = fleet.worker()
    wait_for(lambda: all_searchable(version), seconds=120, what="every article is searchable")
    assert deaths_at_work >= kills // 2
    assert_each_once_and_none_stale(version)
    assert not IndexEntry.objects.parked().exists()


def test_flushed_redis_is_made_up_for_by_the_sweep(workspace: Workspace, fleet: Fleet) -> None:
    publish(workspace, recomposed(3))
    flush_redis()
    fleet.beat()
    fleet.worker()
    seconds = wait_for(
        lambda: all_searchable(live(workspace)), seconds=60, what="the sweep finds them"
    )
    assert seconds < 60
    assert_each_once_and_none_stale(live(workspace))
