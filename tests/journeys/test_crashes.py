"""Workers die, Redis forgets everything: every article ends searchable, once, none stale."""

from __future__ import annotations

import os
import random
import time

import pytest
import redis
from django.db import connection

from embeddings.models import ArticleVector, EntryState, IndexEntry, IndexVersion, PassageVector
from kb.models import Article, Workspace
from kb.signals import articles_changed
from tests.factories import add_revision, live, make_article
from tests.journeys.articles import recomposed
from tests.journeys.processes import Fleet, wait_for

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


def all_searchable(version: IndexVersion) -> bool:
    """Whether every published revision is embedded."""
    embedded = IndexEntry.objects.filter(index_version=version, state=EntryState.EMBEDDED)
    return embedded.current().count() == Article.objects.published().count()


def flush_redis() -> None:
    """Redis forgets every message."""
    redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()


def assert_each_once_and_none_stale(version: IndexVersion) -> None:
    """Exactly the published revisions have vectors, each as many passages as were made."""
    published = set(Article.objects.published().values_list("published_revision_id", flat=True))
    stored = ArticleVector.objects.filter(index_version_id=version.pk)
    assert sorted(stored.values_list("revision_id", flat=True)) == sorted(published)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT revision_id, count(*), min(ordinal), max(ordinal)"
            " FROM embeddings_passagevector WHERE index_version_id = %s GROUP BY 1",
            [version.pk],
        )
        passages = {row[0]: row[1:] for row in cursor.fetchall()}
    windows = dict(IndexEntry.objects.current().values_list("revision_id", "windows"))
    assert {revision: counts[0] for revision, counts in passages.items()} == windows
    assert all(low == 0 and high == count - 1 for count, low, high in passages.values())
    assert PassageVector.objects.filter(index_version_id=version.pk).exists()


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
