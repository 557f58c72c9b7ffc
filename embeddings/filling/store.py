"""Writing vectors: one short transaction, fenced by the lease and the published revision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from pgvector import HalfVector

from embeddings.encoders.base import EmbeddedDocument, Vector
from embeddings.filling.claims import Claim
from embeddings.lifecycle import RECEIVING
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.partitions import TABLES
from embeddings.words import store_words


def store_vectors(
    version: IndexVersion, claim: Claim, documents: Sequence[EmbeddedDocument]
) -> int:
    """Store one document per entry of the claim; returns how many became searchable.

    Entries whose lease passed to another worker, or whose revision is no longer published,
    are left alone: what is stored is never stale and never doubled. Vectors of the article's
    earlier revisions go in the same transaction.
    """
    by_revision = {
        entry.revision_id: document
        for entry, document in zip(claim.entries, documents, strict=True)
    }
    with transaction.atomic():
        entries = lock_claimed(version, claim, list(by_revision))
        stored = {entry.revision_id: by_revision[entry.revision_id] for entry in entries}
        delete_vectors(version, list(stored))
        _copy_vectors(version, stored)
        store_words(version, list(stored))
        _mark_stored(entries, stored)
    return len(entries)


def lock_claimed(version: IndexVersion, claim: Claim, revisions: list[int]) -> list[IndexEntry]:
    """The claim's entries that may be stored now, locked to the end of the transaction: the
    version still takes vectors, the lease is ours, the revision is published."""
    if not _takes_vectors(version):
        return []
    current = _lock_current(revisions)
    return list(
        IndexEntry.objects.select_for_update()
        .filter(lease=claim.lease, state=EntryState.EMBEDDING, revision_id__in=current)
        .order_by("pk")
    )


def _takes_vectors(version: IndexVersion) -> bool:
    """Locked against a cancel meanwhile; a paused version takes what was begun."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state FROM embeddings_indexversion WHERE id = %s FOR SHARE", [version.pk]
        )
        row = cursor.fetchone()
    return row is not None and row[0] in {*RECEIVING, VersionState.PAUSED}


def _lock_current(revisions: list[int]) -> list[int]:
    """Those still published, with their articles locked against publishing meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT published_revision_id FROM kb_article"
            " WHERE published_revision_id = ANY(%s) ORDER BY id FOR SHARE",
            [revisions],
        )
        return [revision for (revision,) in cursor.fetchall()]


def delete_vectors(version: IndexVersion, revisions: list[int]) -> None:
    """All vectors and older entries of these revisions' articles in this version.

    The entries first, as whoever purges takes them: neither waits for the other in a circle.
    """
    parameters: dict[str, Any] = {"version": version.pk, "revisions": revisions}
    with connection.cursor() as cursor:
        cursor.execute(
            _DELETE_OF_SAME_ARTICLES.format(table="embeddings_indexentry")
            + " AND NOT revision_id = ANY(%(revisions)s)",
            parameters,
        )
        for table in TABLES:
            cursor.execute(_DELETE_OF_SAME_ARTICLES.format(table=table), parameters)


_DELETE_OF_SAME_ARTICLES = """
    DELETE FROM {table} WHERE index_version_id = %(version)s AND revision_id IN (
        SELECT r.id FROM kb_revision r
        WHERE r.article_id IN (SELECT article_id FROM kb_revision WHERE id = ANY(%(revisions)s))
    )
"""


def _copy_vectors(version: IndexVersion, stored: dict[int, EmbeddedDocument]) -> None:
    with connection.cursor() as cursor:
        with cursor.copy(
            "COPY embeddings_articlevector (index_version_id, revision_id, embedding) FROM STDIN"
        ) as copy:
            for revision, document in stored.items():
                copy.write_row((version.pk, revision, _text(document.vector)))
        with cursor.copy(
            "COPY embeddings_passagevector"
            ' (index_version_id, revision_id, ordinal, start, "end", tokens, embedding) FROM STDIN'
        ) as copy:
            for revision, document in stored.items():
                for ordinal, passage in enumerate(document.passages):
                    place = (ordinal, passage.start, passage.end, passage.tokens)
                    copy.write_row((version.pk, revision, *place, _text(passage.vector)))


def _mark_stored(entries: list[IndexEntry], stored: dict[int, EmbeddedDocument]) -> None:
    for entry in entries:
        document = stored[entry.revision_id]
        entry.tokens, entry.windows = document.tokens, len(document.passages)
        entry.covered_characters = document.covered_characters
    mark_embedded(entries)


def mark_embedded(entries: Sequence[IndexEntry]) -> None:
    """Done, with what was counted; the lease is given back."""
    for entry in entries:
        entry.state, entry.embedded_at = EntryState.EMBEDDED, timezone.now()
        entry.lease, entry.lease_until, entry.reason = None, None, ""
    IndexEntry.objects.bulk_update(
        entries,
        [
            "state", "embedded_at", "lease", "lease_until", "reason",
            "tokens", "windows", "covered_characters",
        ],
    )  # fmt: skip


def _text(vector: Vector) -> str:
    return HalfVector(vector).to_text()
