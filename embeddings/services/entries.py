"""The rows that say what is left to embed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from embeddings.lifecycle import RECEIVING, STORED, VersionState
from embeddings.models import EntryState, IndexEntry, IndexVersion
from embeddings.partitions import TABLES
from kb.models import Article, Workspace

RETRY_PARKED_AFTER = timedelta(hours=6)
MOST_URGENT = 20
FORGOTTEN_AT_ONCE = 5_000


def ensure_entries(version: IndexVersion, *, bulk: bool) -> int:
    """Add an entry for every published revision that has none in `version`, if it receives any.

    This is the definition of pending work, asked of the rows themselves: a lost message or
    a receiver that never ran changes nothing. Returns how many were added.

    EXCEPT, since for an anti-join the planner may look through all entries for each article
    where it has no statistics yet.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO embeddings_indexentry
                (index_version_id, revision_id, state, bulk, attempts, reason, worker,
                 due_at, queued_at)
            SELECT %(version)s, a.published_revision_id, 'pending', %(bulk)s, 0, '', '',
                   now(), coalesce(a.published_at, now())
            FROM (
                SELECT published_revision_id FROM kb_article
                WHERE workspace_id = %(workspace)s AND published_revision_id IS NOT NULL
                EXCEPT
                SELECT revision_id FROM embeddings_indexentry
                WHERE index_version_id = %(version)s
            ) missing
            JOIN kb_article a USING (published_revision_id)
            WHERE EXISTS (
                SELECT 1 FROM embeddings_indexversion v
                WHERE v.id = %(version)s AND v.state = ANY(%(receiving)s))
            ON CONFLICT (index_version_id, revision_id) DO NOTHING
            """,
            {
                "version": version.pk,
                "workspace": version.workspace_id,
                "bulk": bulk,
                "receiving": list(RECEIVING),
            },
        )
        return int(cursor.rowcount)


def purge_stale(version: IndexVersion) -> int:
    """Drop entries of revisions that are not published any more, and vectors without an entry.

    Search joins the published revision, so this frees space; it hides nothing that was
    not hidden already. A revision that is published again meanwhile is embedded anew: no entry
    says `embedded` where vectors are gone. Returns how many entries went.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PURGE_ENTRIES, {"version": version.pk})
        purged = int(cursor.rowcount)
        for table in TABLES:
            cursor.execute(_PURGE_VECTORS.format(table=table), {"version": version.pk})
    return purged


_PURGE_ENTRIES = """
    DELETE FROM embeddings_indexentry e
    WHERE e.index_version_id = %(version)s
      AND NOT EXISTS (SELECT 1 FROM kb_article a WHERE a.published_revision_id = e.revision_id)
"""
_PURGE_VECTORS = """
    DELETE FROM {table}
    WHERE index_version_id = %(version)s AND revision_id IN (
        SELECT revision_id FROM {table} WHERE index_version_id = %(version)s
        EXCEPT
        SELECT revision_id FROM embeddings_indexentry WHERE index_version_id = %(version)s)
"""


def retry_parked(
    workspace: Workspace, *, articles: Collection[Article] | None = None, due_only: bool = False
) -> int:
    """Give parked entries a fresh start; returns how many.

    `due_only` takes only those whose six hours of rest are over (the sweep's way).
    """
    entries = IndexEntry.objects.parked().filter(index_version__workspace=workspace)
    if articles is not None:
        entries = entries.filter(revision__article__in=articles)
    if due_only:
        entries = entries.filter(due_at__lte=timezone.now())
    return _revive(entries)


def revive_parked(version: IndexVersion) -> int:
    """Give the parked entries of one version a fresh start; returns how many."""
    return _revive(IndexEntry.objects.filter(index_version=version).parked())


def _revive(parked: QuerySet[IndexEntry]) -> int:
    return parked.update(state=EntryState.PENDING, attempts=0, due_at=timezone.now(), reason="")


def versions_with_edits(*, besides: IndexVersion) -> list[IndexVersion]:
    """Versions in which something that a person published waits to be embedded."""
    waiting = IndexEntry.objects.waiting().current().filter(bulk=False)
    return list(
        IndexVersion.objects.active()
        .filter(pk__in=waiting.values("index_version"))
        .exclude(pk=besides.pk)
        .order_by("pk")[:MOST_URGENT]
    )


def forget_entries() -> int:
    """Drop the entries of versions whose vectors are dropped, a batch at a time; how many."""
    forgotten = 0
    over = IndexEntry.objects.exclude(index_version__state__in=STORED)
    while batch := list(over.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE]):
        IndexEntry.objects.filter(pk__in=batch).delete()
        forgotten += len(batch)
    return forgotten


def note_problem(version: IndexVersion, problem: str) -> None:
    """What keeps a build from going on, for whoever looks at it; empty: nothing any more."""
    building = IndexVersion.objects.filter(pk=version.pk, state=VersionState.BUILDING)
    building.exclude(problem=problem).update(problem=problem)
