"""The embed loop: everything published becomes searchable, once, and nothing stale does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from embeddings.encoders.base import Document, EmbeddedDocument
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.metering import add_tokens
from embeddings.errors import (
    CheckpointInvalid,
    EncoderUnavailable,
    FingerprintChanged,
    TextNotEmbeddable,
)
from embeddings.filling.claims import claim_entries
from embeddings.filling.loop import embed_pending
from embeddings.filling.store import store_vectors
from embeddings.models import ArticleVector, EntryState, IndexEntry, IndexVersion, PassageVector
from embeddings.partitions import TABLES
from embeddings.services import entries
from embeddings.services.entries import ensure_entries, purge_stale, retry_parked
from kb.errors import DomainError
from kb.models import Article, ArticleState, Workspace
from tests.embeddings.versions import in_a_session
from tests.factories import add_revision, live, make_article, make_workspace

POISON = "poison"


class MoodyEncoder(HashEncoder):
    """Fails on demand: `poison` in a body, or everything while `away`."""

    away = False
    fault: DomainError | None = None
    price = 0
    calls: list[int]

    def __init__(self, *, strategy: str) -> None:
        super().__init__(name="moody", strategy=strategy)
        self.calls = []

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """The hash encoder's, if in the mood."""
        self.calls.append(len(documents))
        add_tokens(self.price)
        if self.fault:
            raise self.fault
        if self.away:
            raise EncoderUnavailable("The encoder is having a rest; try again.")
        for document in documents:
            if POISON in document.body:
                raise RuntimeError("cannot swallow this")
            if "unreadable" in document.body:
                raise TextNotEmbeddable("No text in here.")
        return super().encode_documents(documents)


@pytest.fixture
def moody(settings: Settings, workspace: Workspace) -> MoodyEncoder:
    """The workspace's live version uses this encoder."""
    from embeddings.encoders.registry import get_encoder

    settings.ENCODERS = {
        "moody": {"BACKEND": "tests.embeddings.test_loop.MoodyEncoder", "STRATEGY": "windows"}
    }
    encoder = get_encoder("moody")
    assert isinstance(encoder, MoodyEncoder)
    IndexVersion.objects.filter(workspace=workspace).update(
        encoder="moody", fingerprint=encoder.fingerprint
    )
    return encoder


def vectors_of(version: IndexVersion) -> list[int]:
    """Revisions with an article vector."""
    rows = ArticleVector.objects.filter(index_version_id=version.pk)
    return sorted(rows.values_list("revision_id", flat=True))


def make_due(version: IndexVersion) -> None:
    """Let the pauses after failures pass."""
    IndexEntry.objects.filter(index_version=version).update(due_at=timezone.now())


def test_published_articles_become_searchable_once(workspace: Workspace) -> None:
    articles = [make_article(workspace, body=f"words {n} " * 80) for n in range(5)]
    make_article(workspace, published=False)
    result = embed_pending(live(workspace))
    again = embed_pending(live(workspace))
    assert (result.embedded, again.embedded) == (5, 0)
    assert vectors_of(live(workspace)) == sorted(a.published_revision_id or 0 for a in articles)
    passages = PassageVector.objects.filter(index_version_id=live(workspace).pk)
    assert passages.count() == 5 * 4  # 160 words in passages of 50


@pytest.mark.parametrize("fault", [CheckpointInvalid("Broken."), FingerprintChanged("Other.")])
def test_an_encoder_at_fault_parks_nothing_and_is_not_asked_for_each_article(
    moody: MoodyEncoder, workspace: Workspace, fault: DomainError
) -> None:
    for number in range(80):  # more than one claim
        make_article(workspace, body=f"article {number}")
    moody.fault = fault
    result = embed_pending(live(workspace))
    assert (result.embedded, len(moody.calls)) == (0, 1)
    entries = IndexEntry.objects.filter(index_version=live(workspace))
    assert not entries.parked().exists()
    assert not entries.filter(attempts__gt=0).exists()
    assert entries.filter(reason=str(fault)).exists()
    moody.fault = None
    make_due(live(workspace))
    assert embed_pending(live(workspace)).embedded == 80


def test_what_was_paid_for_in_vain_is_not_bought_again_at_once(
    moody: MoodyEncoder, workspace: Workspace
) -> None:
    make_article(workspace)
    moody.fault, moody.price = CheckpointInvalid("Answers nonsense."), 500
    embed_pending(live(workspace))
    pause = IndexEntry.objects.get().due_at - timezone.now()
    assert timedelta(minutes=29) < pause <= timedelta(minutes=30)


def test_entry_records_tokens_and_full_coverage(workspace: Workspace) -> None:
    article = make_article(workspace, body="one two three")
    embed_pending(live(workspace))
    entry = IndexEntry.objects.get(revision=article.published_revision)
    assert (entry.state, entry.tokens, entry.covered_characters) == (EntryState.EMBEDDED, 3, 13)
    assert entry.embedded_at is not None
    assert entry.embedded_at >= entry.queued_at


def test_new_revision_replaces_the_vectors_of_the_old(workspace: Workspace) -> None:
    article = make_article(workspace)
    embed_pending(live(workspace))
    newer = add_revision(article, body="Something else altogether.")
    embed_pending(live(workspace))
    assert vectors_of(live(workspace)) == [newer.pk]
    assert IndexEntry.objects.get().revision == newer


def test_superseded_revision_is_not_stored(workspace: Workspace) -> None:
    version, article = live(workspace), make_article(workspace)
    ensure_entries(version, bulk=False)
    claim = claim_entries(version, worker="slow")
    assert claim is not None
    add_revision(article, body="Edited while the slow worker was encoding.")
    documents = HashEncoder().encode_documents([Document(title="", body="old")])
    assert store_vectors(version, claim, documents) == 0
    assert vectors_of(version) == []


def test_worker_that_lost_its_lease_cannot_store(workspace: Workspace) -> None:
    version = live(workspace)
    make_article(workspace)
    ensure_entries(version, bulk=False)
    slow = claim_entries(version, worker="slow")
    IndexEntry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    quick = claim_entries(version, worker="quick")
    assert slow is not None
    assert quick is not None
    documents = HashEncoder().encode_documents([Document(title="", body="text")])
    assert store_vectors(version, slow, documents) == 0
    assert store_vectors(version, quick, documents) == 1


def test_leased_entry_is_not_claimed_twice(workspace: Workspace) -> None:
    version = live(workspace)
    make_article(workspace)
    ensure_entries(version, bulk=False)
    assert claim_entries(version, worker="first") is not None
    assert claim_entries(version, worker="second") is None


def test_edits_by_people_overtake_bulk_work(workspace: Workspace) -> None:
    version = live(workspace)
    for _ in range(3):
        make_article(workspace)
    ensure_entries(version, bulk=True)
    edited = make_article(workspace)
    ensure_entries(version, bulk=False)
    claim = claim_entries(version, worker="w")
    assert claim is not None
    firsts = IndexEntry.objects.filter(lease=claim.lease).order_by("bulk", "queued_at")
    assert firsts[0].revision_id == edited.published_revision_id


def test_entry_that_was_tried_before_is_claimed_alone(workspace: Workspace) -> None:
    version = live(workspace)
    for _ in range(3):
        make_article(workspace)
    ensure_entries(version, bulk=True)
    claim_entries(version, worker="dies")
    IndexEntry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    claim = claim_entries(version, worker="next")
    assert claim is not None
    assert len(claim.entries) == 1


def test_poison_is_parked_with_its_reason_and_the_others_go_on(
    workspace: Workspace, moody: MoodyEncoder
) -> None:
    version = live(workspace)
    poisoned = make_article(workspace, body=f"a {POISON} b")
    for _ in range(4):
        make_article(workspace)
    for _ in range(3):
        embed_pending(version)
        make_due(version)
    entry = IndexEntry.objects.get(revision=poisoned.published_revision)
    assert (entry.state, entry.attempts) == (EntryState.PARKED, 3)
    assert entry.reason == "RuntimeError: cannot swallow this"
    assert len(vectors_of(version)) == 4
    assert moody.calls[0] == 5


def test_failed_entry_rests_before_the_next_attempt(
    workspace: Workspace, moody: MoodyEncoder
) -> None:
    make_article(workspace, body=POISON)
    embed_pending(live(workspace))
    assert embed_pending(live(workspace)).finished
    assert moody.calls == [1]
    assert IndexEntry.objects.get().attempts == 1


def test_text_that_can_never_be_embedded_is_parked_at_once(
    workspace: Workspace, moody: MoodyEncoder
) -> None:
    make_article(workspace, body="unreadable")
    embed_pending(live(workspace))
    entry = IndexEntry.objects.get()
    assert (entry.state, entry.reason) == (
        EntryState.PARKED,
        "TextNotEmbeddable: No text in here.",
    )
    assert moody.calls == [1]


def test_encoder_away_parks_nothing(workspace: Workspace, moody: MoodyEncoder) -> None:
    version = live(workspace)
    make_article(workspace)
    moody.away = True
    for _ in range(5):
        embed_pending(version)
        make_due(version)
    entry = IndexEntry.objects.get()
    assert (entry.state, entry.attempts) == (EntryState.PENDING, 0)
    assert "having a rest" in entry.reason
    moody.away = False
    assert embed_pending(version).embedded == 1


def test_article_that_kills_its_worker_is_parked_after_three_deaths(workspace: Workspace) -> None:
    version = live(workspace)
    make_article(workspace)
    ensure_entries(version, bulk=True)
    for _ in range(3):
        assert claim_entries(version, worker="dies") is not None
        IndexEntry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claim_entries(version, worker="lives") is None
    entry = IndexEntry.objects.get()
    assert entry.state == EntryState.PARKED
    assert "died each time" in entry.reason


def test_the_newest_reason_is_the_one_that_is_told(
    workspace: Workspace, moody: MoodyEncoder
) -> None:
    make_article(workspace, body=POISON)
    version = live(workspace)
    embed_pending(version)
    assert "cannot swallow this" in IndexEntry.objects.get().reason
    moody.fault = TextNotEmbeddable("No text in here any more.")
    make_due(version)
    embed_pending(version)
    entry = IndexEntry.objects.get()
    assert (entry.state, entry.reason) == (
        EntryState.PARKED,
        "TextNotEmbeddable: No text in here any more.",
    )


def test_parked_entry_is_retried_by_hand_and_by_the_sweep_after_its_rest(
    workspace: Workspace, moody: MoodyEncoder
) -> None:
    make_article(workspace, body="unreadable")
    embed_pending(live(workspace))
    assert retry_parked(workspace, due_only=True) == 0
    make_due(live(workspace))
    assert retry_parked(workspace, due_only=True) == 1
    embed_pending(live(workspace))
    assert retry_parked(workspace) == 1
    assert len(moody.calls) == 2
    entry = IndexEntry.objects.get()
    assert (entry.state, entry.reason, entry.attempts) == (EntryState.PENDING, "", 0)


def test_changed_fingerprint_claims_nothing(workspace: Workspace) -> None:
    make_article(workspace)
    version = live(workspace)
    IndexVersion.objects.update(fingerprint="hash:another:64:50")
    version.refresh_from_db()
    with pytest.raises(FingerprintChanged, match="build a new index version"):
        embed_pending(version)
    assert not IndexEntry.objects.exists()


def test_purge_drops_what_is_not_published_any_more(workspace: Workspace) -> None:
    kept, gone = make_article(workspace), make_article(workspace)
    embed_pending(live(workspace))
    gone.published_revision, gone.state = None, ArticleState.DRAFT
    gone.save()
    assert purge_stale(live(workspace)) == 1
    assert vectors_of(live(workspace)) == [kept.published_revision_id]


def test_purge_drops_the_vectors_of_articles_that_are_deleted(workspace: Workspace) -> None:
    kept, gone = make_article(workspace), make_article(workspace)
    embed_pending(live(workspace))
    gone.delete()
    assert purge_stale(live(workspace)) == 0  # its entry went with it
    assert vectors_of(live(workspace)) == [kept.published_revision_id]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before the vectors go", "after"])
def test_what_is_published_again_while_it_is_purged_is_searchable_again(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    workspace = make_workspace()
    article, version = make_article(workspace), live(workspace)
    published = article.published_revision_id
    embed_pending(version)
    Article.objects.filter(pk=article.pk).update(published_revision=None, state="draft")

    def publish() -> None:
        Article.objects.filter(pk=article.pk).update(
            published_revision=published, state="published"
        )
        ensure_entries(version, bulk=False)

    def tables() -> Iterator[str]:
        moments = {"before the vectors go": 0, "after": len(TABLES)}
        for number, table in enumerate((*TABLES, "")):
            if number == moments[when]:
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(in_a_session, publish).result(timeout=10)
            if table:
                yield table

    monkeypatch.setattr(entries, "TABLES", tables())
    purge_stale(version)
    ensure_entries(version, bulk=True)
    embed_pending(version)
    assert vectors_of(version) == [published]


def test_vectors_of_another_dimension_are_refused_by_the_database(workspace: Workspace) -> None:
    from django.db import IntegrityError, transaction

    version, article = live(workspace), make_article(workspace)
    with pytest.raises(IntegrityError, match="_dimension"), transaction.atomic():
        ArticleVector.objects.create(
            index_version_id=version.pk,
            revision_id=article.published_revision_id or 0,
            embedding=[1.0, 0.0],
        )
