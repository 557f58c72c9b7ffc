"""Fewer dimensions of the same model: taken from what is stored, without a forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import OperationalError, connection
from numpy.typing import NDArray
from pytest_django import Settings

from embeddings.encoders.base import Document
from embeddings.encoders.local import LocalEncoder
from embeddings.encoders.registry import get_encoder
from embeddings.filling.claims import claim_entries
from embeddings.filling.deriving import derivable_from, derive_vectors
from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.partitions import ARTICLES, PASSAGES
from embeddings.search import search_passages
from embeddings.services.entries import purge_stale
from embeddings.services.running import pause_version
from kb.models import ArticleState, Workspace
from kb.search import SearchScope
from tests.checkpoints.jina_v3 import write_jina_v3
from tests.conftest import HASH_ENCODERS
from tests.embeddings.test_partitions import other_session
from tests.embeddings.versions import ANNA, put_in, revisions_in, start
from tests.factories import add_revision, live, make_article, make_workspace
from tests.families import entry

BODIES = [
    "How do I get my money back? A refund is paid within five days. " * 30,
    "Connect the calendar in the settings of your account.",
    "日本語の文章です。 これは二つ目の文です。 😀",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny jina-v3 of 64 dimensions."""
    return write_jina_v3(tmp_path_factory.mktemp("jina-v3"))


@pytest.fixture
def shop(db: None, folder: Path, settings: Settings) -> Workspace:  # noqa: ARG001 - needs the database
    """Three articles, embedded whole with all 64 dimensions."""
    settings.ENCODERS = {
        **HASH_ENCODERS,
        "v3": entry("jina-v3", checkpoint=str(folder)),
        "v3-short": entry("jina-v3", checkpoint=str(folder), dimension=32),
        "v3-cut": entry("jina-v3", checkpoint=str(folder), dimension=32, passage_tokens=50),
    }
    settings.DEFAULT_ENCODER = "v3"
    workspace = make_workspace()
    for body in BODIES:
        make_article(workspace, title="Of a shop", body=body)
    embed_pending(live(workspace))
    return workspace


@pytest.fixture
def passes(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[int]:  # noqa: ARG001 - first
    """Texts in each call of a model, from here on."""
    made: list[int] = []
    forward = LocalEncoder._forward

    def counted(self: LocalEncoder, batch: Any) -> Any:
        made.append(len(batch))
        return forward(self, batch)

    # The queue was given the method when the encoder was made.
    for alias in ("v3", "v3-short", "v3-cut"):
        encoder = get_encoder(alias)
        assert isinstance(encoder, LocalEncoder)
        monkeypatch.setattr(encoder._queue, "_forward", counted.__get__(encoder))
    return made


def vectors(version: IndexVersion, table: str = PASSAGES) -> dict[tuple[Any, ...], Any]:
    """By place."""
    place = 'ordinal, start, "end", tokens' if table == PASSAGES else "0"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT revision_id, embedding::text, {place} FROM {table}"
            " WHERE index_version_id = %s ORDER BY 1, 3",
            [version.pk],
        )
        return {
            (revision, *rest): np.array(text.strip("[]").split(","), dtype=np.float32)
            for revision, text, *rest in cursor.fetchall()
        }


def words(version: IndexVersion) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT revision_id, ordinal, terms, words::text FROM embeddings_passagewords"
            " WHERE index_version_id = %s ORDER BY 1, 2",
            [version.pk],
        )
        return list(cursor.fetchall())


def test_shorter_vectors_are_derived_without_a_forward_pass(
    shop: Workspace, passes: list[int]
) -> None:
    version = start(shop, "v3-short")
    assert version.derived_from == live(shop)
    assert embed_pending(version).embedded == 3
    assert passes == []
    assert settle(version)
    for table in (ARTICLES, PASSAGES):
        assert vectors(version, table).keys() == set(vectors(live(shop), table))
        assert {len(vector) for vector in vectors(version, table).values()} == {32}


def test_they_are_those_that_the_encoder_itself_gives(shop: Workspace, passes: list[int]) -> None:
    version = start(shop, "v3-short")
    embed_pending(version)
    derived, articles = vectors(version), vectors(version, ARTICLES)
    assert passes == []
    revisions = revisions_in(version)
    documents = [Document(title="Of a shop", body=body) for body in BODIES]
    encoded = get_encoder("v3-short").encode_documents(documents)
    assert passes != []
    for revision, document in zip(revisions, encoded, strict=True):
        assert cosine(articles[revision, 0], document.vector) > 0.999
        for ordinal, passage in enumerate(document.passages):
            place = (revision, ordinal, passage.start, passage.end, passage.tokens)
            assert cosine(derived[place], passage.vector) > 0.999
            assert abs(float(np.linalg.norm(derived[place])) - 1) < 2e-3


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_words_and_counts_are_copied(shop: Workspace) -> None:
    version = start(shop, "v3-short")
    embed_pending(version)
    assert words(version) == words(live(shop)) != []
    counted = ["revision", "tokens", "windows", "covered_characters", "state"]
    counts = [
        list(IndexEntry.objects.filter(index_version=each).order_by("revision").values(*counted))
        for each in (version, live(shop))
    ]
    assert counts[0] == counts[1]
    assert not IndexEntry.objects.filter(index_version=version, lease__isnull=False).exists()


def test_questions_find_in_them_what_they_are_about(shop: Workspace) -> None:
    version = start(shop, "v3-short")
    embed_pending(version)
    [query] = get_encoder("v3-short").encode_queries(["refund"])
    scope = SearchScope(workspace_id=shop.pk)
    assert len(search_passages(version, query, scope=scope, limit=3)) == 3


def test_what_the_source_lacks_is_encoded(shop: Workspace, passes: list[int]) -> None:
    IndexEntry.objects.filter(index_version=live(shop)).order_by("pk")[0].delete()
    added = make_article(shop, body="Not in the longer index yet.")
    version = start(shop, "v3-short")
    assert embed_pending(version).embedded == 4
    assert sum(passes) == 2
    assert added.published_revision_id in revisions_in(version)
    assert settle(version)


def test_an_edit_is_derived_once_the_longer_index_has_it(
    shop: Workspace, passes: list[int]
) -> None:
    article = make_article(shop, body="before")
    version = start(shop, "v3-short")
    embed_pending(live(shop))
    embed_pending(version)
    newer = add_revision(article, body="after")
    embed_pending(live(shop))
    passes.clear()
    embed_pending(version)
    assert passes == []
    assert newer.pk in revisions_in(version)
    assert len(revisions_in(version)) == 4  # of the older revision nothing is left


@pytest.mark.parametrize("alias", ["v3-cut", "v3-short@windows", "hash-wide"])
def test_another_cutting_or_model_is_not_derived(shop: Workspace, alias: str) -> None:
    assert start(shop, alias).derived_from is None


def test_nothing_is_derived_of_what_is_over_or_shorter(shop: Workspace) -> None:
    short = start(shop, "v3-short")
    assert derivable_from(shop, get_encoder("v3")) is None
    assert derivable_from(shop, get_encoder("v3-short")) == live(shop)
    assert derivable_from(make_workspace(encoder="v3-short"), get_encoder("v3-short")) is None
    put_in(live(shop), VersionState.RETIRED)
    assert derivable_from(shop, get_encoder("v3-short")) is None
    assert short.derived_from is not None


def test_source_that_is_retired_meanwhile_is_done_without(
    shop: Workspace, passes: list[int]
) -> None:
    source, version = live(shop), start(shop, "v3-short")
    put_in(source, VersionState.RETIRED)
    assert embed_pending(version).embedded == 3
    assert sum(passes) >= 3


def test_vectors_that_are_gone_are_encoded_whatever_the_rows_say(
    shop: Workspace, passes: list[int]
) -> None:
    """As where the partition is dropped between two statements."""
    version = start(shop, "v3-short")
    for table in (ARTICLES, PASSAGES):
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE index_version_id = %s", [live(shop).pk])
    assert embed_pending(version).embedded == 3
    assert passes != []
    assert len(revisions_in(version)) == 3


def test_what_is_unpublished_or_taken_over_is_not_stored(shop: Workspace) -> None:
    version = start(shop, "v3-short")
    claim = claim_entries(version, worker="slow")
    assert claim is not None
    gone, lost, kept = (entry.revision for entry in claim.entries)
    gone.article.published_revision, gone.article.state = None, ArticleState.DRAFT
    gone.article.save()
    IndexEntry.objects.filter(index_version=version, revision=lost).update(
        lease=None, state="pending"
    )
    assert derive_vectors(version, claim) == {kept.pk}
    assert revisions_in(version) == [kept.pk]


def test_a_pause_takes_what_was_begun_a_cancel_does_not(shop: Workspace) -> None:
    version = start(shop, "v3-short")
    claim = claim_entries(version, worker="slow")
    assert claim is not None
    pause_version(version, actor=ANNA)
    assert len(derive_vectors(version, claim)) == 3
    IndexEntry.objects.filter(index_version=version).update(
        state=EntryState.EMBEDDING, lease=claim.lease, lease_until="2100-01-01T00:00Z"
    )
    put_in(version, VersionState.CANCELLED)
    assert derive_vectors(version, claim) == frozenset()


def test_purging_the_source_later_harms_nothing(shop: Workspace) -> None:
    version = start(shop, "v3-short")
    embed_pending(version)
    put_in(live(shop), VersionState.STANDBY)
    purge_stale(version)
    assert len(revisions_in(version)) == 3


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_nobody_who_moves_the_longer_version(shop: Workspace) -> None:
    """A cut-over locks the source before the version that is derived: no circle of waiting."""
    version = start(shop, "v3-short")
    with other_session() as cursor:
        cursor.execute(
            "SELECT FROM embeddings_indexversion WHERE id = %s FOR NO KEY UPDATE", [live(shop).pk]
        )
        with connection.cursor() as own:
            own.execute("SET lock_timeout = '2s'")
        try:
            assert embed_pending(version).embedded == 3
        except OperationalError:
            pytest.fail("it waited for the longer version's row")
        finally:
            with connection.cursor() as own:
                own.execute("RESET lock_timeout")
