"""What one version finds that another would not."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from embeddings.models import IndexVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Published articles missing from a version: `parked` ones failed there for good,
    `lost` are those of them that are searchable in the other, `pending` ones are so but not
    there yet. `titles`: a few parked."""

    pending: int
    parked: int
    lost: int
    titles: tuple[str, ...]

    def examples(self) -> str:
        """For a message."""
        shown = ", ".join(repr(title) for title in self.titles)
        return f"{shown}, …" if self.parked > len(self.titles) else shown


def gap_between(version: IndexVersion, live: IndexVersion) -> Gap:
    """One query, over entries of published revisions."""
    parameters = {
        "version": version.pk,
        "live": live.pk,
        "workspace": version.workspace_id,
        "shown": SHOWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(MISSING, parameters)
        pending, parked, lost, titles = cursor.fetchone()
    return Gap(pending=pending, parked=parked, lost=lost, titles=tuple(titles or ()))


SHOWN = 3
MISSING = """
    SELECT count(*) FILTER (WHERE own IS DISTINCT FROM 'parked' AND other = 'embedded'),
           count(*) FILTER (WHERE own = 'parked'),
           count(*) FILTER (WHERE own = 'parked' AND other = 'embedded'),
           (array_agg(title ORDER BY article) FILTER (WHERE own = 'parked'))[:%(shown)s]
    FROM (
        SELECT a.id AS article, r.title, mine.state AS own, theirs.state AS other
        FROM kb_article a
        JOIN kb_revision r ON r.id = a.published_revision_id
        LEFT JOIN embeddings_indexentry mine
               ON mine.revision_id = a.published_revision_id
              AND mine.index_version_id = %(version)s
        LEFT JOIN embeddings_indexentry theirs
               ON theirs.revision_id = a.published_revision_id
              AND theirs.index_version_id = %(live)s
        WHERE a.workspace_id = %(workspace)s
          AND mine.state IS DISTINCT FROM 'embedded'
    ) missing
"""
