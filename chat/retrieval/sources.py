"""The articles behind the hits, read anew: what left the scope meanwhile vanishes here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import connection

from embeddings.models import IndexVersion
from kb.search import SearchScope, scope_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A published revision; offsets into `body` count characters, `tokens` the index version's
    own of the body (None: not embedded in it, or not asked for)."""

    article_id: int
    revision_id: int
    external_id: str | None
    source: str
    title: str
    language: str
    audience: str
    body: str = field(repr=False)
    tokens: int | None = None


STATEMENT = """
    SELECT a.id, r.id, a.external_id, a.source, r.title, r.language, r.audience, r.body,
           (SELECT e.tokens FROM embeddings_indexentry e
            WHERE e.index_version_id = %(version)s AND e.revision_id = r.id
              AND e.embedded_at IS NOT NULL)
    FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
    WHERE r.id = ANY(%(revisions)s) AND {condition}
"""


def load_sources(
    revision_ids: Collection[int], *, scope: SearchScope, version: IndexVersion | None = None
) -> dict[int, Source]:
    """By revision id, those that are published and in scope at this moment. One query."""
    condition, parameters = scope_condition(scope)
    parameters |= {"revisions": list(revision_ids), "version": version.pk if version else None}
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT.format(condition=condition), parameters)
        return {row[1]: _source(row) for row in cursor.fetchall()}


def _source(row: tuple[int, int, str | None, str, str, str, str, str, int | None]) -> Source:
    article, revision, external_id, source, title, language, audience, body, tokens = row
    return Source(
        article_id=article,
        revision_id=revision,
        external_id=external_id,
        source=source,
        title=title,
        language=language,
        audience=audience,
        body=body,
        tokens=tokens,
    )
