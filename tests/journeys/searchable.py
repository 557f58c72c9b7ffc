"""What a version holds, compared with what is published: all of it, once, and nothing else."""

from __future__ import annotations

from django.db import connection

from embeddings.models import ArticleVector, EntryState, IndexEntry, IndexVersion, PassageVector
from kb.models import Article


def published_revisions(version: IndexVersion) -> list[int]:
    """Of the version's workspace, sorted."""
    articles = Article.objects.published().filter(workspace_id=version.workspace_id)
    return sorted(articles.values_list("published_revision_id", flat=True))


def stored_revisions(version: IndexVersion) -> list[int]:
    """Those that have an article vector, sorted; each as often as it has one."""
    stored = ArticleVector.objects.filter(index_version_id=version.pk)
    return sorted(stored.values_list("revision_id", flat=True))


def all_searchable(version: IndexVersion) -> bool:
    """Whether every published revision is embedded."""
    embedded = IndexEntry.objects.filter(index_version=version, state=EntryState.EMBEDDED)
    return embedded.current().count() == len(published_revisions(version))


def holds_what_is_published(version: IndexVersion) -> bool:
    """Whether its vectors are those of the published revisions, and nothing waits."""
    return all_searchable(version) and stored_revisions(version) == published_revisions(version)


def assert_each_once_and_none_stale(version: IndexVersion) -> None:
    """Exactly the published revisions have vectors, each as many passages as were made."""
    assert stored_revisions(version) == published_revisions(version)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT revision_id, count(*), min(ordinal), max(ordinal)"
            " FROM embeddings_passagevector WHERE index_version_id = %s GROUP BY 1",
            [version.pk],
        )
        passages = {row[0]: row[1:] for row in cursor.fetchall()}
    entries = IndexEntry.objects.filter(index_version=version).current()
    windows = dict(entries.values_list("revision_id", "windows"))
    assert {revision: counts[0] for revision, counts in passages.items()} == windows
    assert all(low == 0 and high == count - 1 for count, low, high in passages.values())
    assert PassageVector.objects.filter(index_version_id=version.pk).exists()
