"""Words of passages: stored, replaced and deleted with the vectors, and filled in later."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from embeddings import words as module
from embeddings.filling.loop import embed_pending
from embeddings.models import IndexVersion, PassageVector, PassageWords
from embeddings.partitions import WORDS, drop_partitions, partition_name
from embeddings.services.entries import purge_stale
from embeddings.services.versions import create_index_version
from embeddings.tasks import sweep
from embeddings.words import WHOLE, fill_missing_words, store_words
from kb.models import Workspace
from kb.services import unpublish_article
from tests.embeddings.test_words import articles, passages
from tests.factories import add_revision, live, make_article, make_workspace


def kept(version: IndexVersion) -> set[tuple[int, int]]:
    rows = PassageWords.objects.filter(index_version_id=version.pk)
    return set(rows.values_list("revision_id", "ordinal"))


def expected(version: IndexVersion) -> set[tuple[int, int]]:
    """What every embedded revision ought to have: its passages, and the whole of it."""
    rows = PassageVector.objects.filter(index_version_id=version.pk)
    pairs = set(rows.values_list("revision_id", "ordinal"))
    return pairs | {(revision, WHOLE) for revision, _ in pairs}


def test_words_are_stored_with_the_vectors_and_replaced_with_them(workspace: Workspace) -> None:
    version = live(workspace)
    article = make_article(workspace, body="refund " * 120)
    embed_pending(version)
    assert kept(version) == expected(version)
    assert len(kept(version)) == 4
    add_revision(article, body="A card.")
    embed_pending(version)
    assert (
        kept(version)
        == expected(version)
        == {
            (article.published_revision_id, 0),
            (article.published_revision_id, WHOLE),
        }
    )


def test_words_go_with_the_vectors_of_what_is_not_published(workspace: Workspace) -> None:
    version = live(workspace)
    article = make_article(workspace, body="A refund.")
    make_article(workspace, body="A card.")
    embed_pending(version)
    unpublish_article(article)
    purge_stale(version)
    assert kept(version) == expected(version)
    assert len(kept(version)) == 2


def forget_words(version: IndexVersion) -> None:
    """As a migration leaves an index that is older than its words."""
    PassageWords.objects.filter(index_version_id=version.pk).delete()


def written(version: IndexVersion) -> list[tuple[object, ...]]:
    rows = PassageWords.objects.filter(index_version_id=version.pk)
    return list(
        rows.order_by("revision_id", "ordinal").values_list("revision_id", "ordinal", "terms")
    )


def test_words_that_a_migration_left_are_filled(workspace: Workspace) -> None:
    version = live(workspace)
    article = make_article(workspace, body="A refund. " * 40)
    waiting = make_article(workspace, published=False, body="A refund.")
    embed_pending(version)
    before = written(version)
    forget_words(version)
    assert passages(workspace, "refund") == []
    assert articles(workspace, "refund") == [article.pk]  # by the full text meanwhile
    assert fill_missing_words(version) == 1
    assert written(version) == before
    assert passages(workspace, "refund")
    assert fill_missing_words(version) == 0
    assert waiting.pk not in articles(workspace, "refund")


def test_filling_goes_on_in_batches_after_a_crash(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = live(workspace)
    for at in range(7):
        make_article(workspace, body=f"A refund {at}.")
    embed_pending(version)
    forget_words(version)
    monkeypatch.setattr(module, "FILL_BATCH", 3)
    calls: list[int] = []

    def crash(version: IndexVersion, revisions: list[int]) -> None:
        store_words(version, revisions)
        calls.append(len(revisions))
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "store_words", crash)
    with pytest.raises(KeyboardInterrupt):
        fill_missing_words(version)
    assert len(kept(version)) == 6  # the first three, whole; nothing of the next
    assert fill_missing_words(version) == 4
    assert kept(version) == expected(version)


@pytest.mark.django_db(transaction=True)
def test_filling_twice_at_once_stores_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace()
    version = live(workspace)
    for at in range(24):
        make_article(workspace, body=f"A refund {at}.")
    embed_pending(version)
    forget_words(version)
    monkeypatch.setattr(module, "FILL_BATCH", 2)

    def fill(_: int) -> int:
        try:
            return fill_missing_words(version)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(fill, range(4))) == 24
    assert kept(version) == expected(version)


@pytest.mark.django_db(transaction=True)
def test_filled_by_another_between_looking_and_locking_is_left_alone() -> None:
    workspace = make_workspace()
    version = live(workspace)
    article = make_article(workspace, body="A refund.")
    embed_pending(version)
    forget_words(version)
    revisions = [article.published_revision_id or 0]
    with transaction.atomic():
        assert module._without_words(version, module.LOCK_SOME) == revisions
        store_words(version, revisions)
        assert module._without_words(version, module.STILL, locked=revisions) == []


@pytest.mark.django_db(transaction=True)
def test_sweep_fills_what_is_missing() -> None:
    workspace = make_workspace()
    version = live(workspace)
    make_article(workspace, body="A refund.")
    embed_pending(version)
    forget_words(version)
    sweep()
    assert kept(version) == expected(version)


@pytest.fixture
def partitions_left() -> Iterator[None]:
    """Nothing that a test left half dropped."""
    yield
    sweep()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("partitions_left")
def test_words_of_a_dropped_version_are_dropped_even_after_a_crash() -> None:
    workspace = make_workspace()
    version = create_index_version(workspace, encoder="hash-wide")
    name = partition_name(WORDS, version.pk)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {WORDS} DETACH PARTITION {name} CONCURRENTLY")
        drop_partitions(version.pk)
        drop_partitions(version.pk)
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relname ~ %s", [f"_v{version.pk}(_.*)?$"]
        )
        assert cursor.fetchone() == (0,)
    version.delete()


def test_versions_keep_words_of_their_own(workspace: Workspace) -> None:
    make_article(workspace, body="A refund.")
    second = create_index_version(workspace, encoder="hash-wide")
    embed_pending(live(workspace))
    assert kept(second) == set()
    assert articles(workspace, "refund", version=second) == articles(workspace, "refund")
    embed_pending(second)
    assert kept(second) == kept(live(workspace))
