"""Full-text search over published revisions: the lexical leg.

Scores are BM25 (Robertson & Zaragoza 2009; k1 1.2, b 0.75) over PostgreSQL's stemmed
lexemes, which ts_rank cannot give (it knows no inverse document frequency). Document
frequencies are counted in the same statement, within the reader's scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from kb.languages import search_configuration
from kb.models import Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchScope:
    """What one reader may find: a tenant, whether internal articles count, and filters."""

    workspace_id: int
    include_internal: bool = False
    collections: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextHit:
    """A published revision and its BM25 score (0 or more, unbounded)."""

    article_id: int
    revision_id: int
    score: float


def scope_condition(scope: SearchScope) -> tuple[str, dict[str, Any]]:
    """SQL over aliases `a` (kb_article) and `r` (kb_revision), and its parameters.

    Every search statement of the product contains it.
    """
    parts = ["a.workspace_id = %(workspace_id)s"]
    parameters: dict[str, Any] = {"workspace_id": scope.workspace_id}
    if not scope.include_internal:
        parts.append("r.audience = %(audience)s")
        parameters["audience"] = Audience.PUBLIC.value
    if scope.languages:
        parts.append("r.language = ANY(%(languages)s)")
        parameters["languages"] = list(scope.languages)
    if scope.tags:
        parts.append("a.tags && %(tags)s::varchar[]")
        parameters["tags"] = list(scope.tags)
    if scope.collections:
        parts.append(
            "a.collection_id IN (SELECT id FROM kb_collection WHERE"
            " workspace_id = %(workspace_id)s AND slug = ANY(%(collections)s))"
        )
        parameters["collections"] = list(scope.collections)
    return " AND ".join(parts), parameters


# One row per (revision, query lexeme) that match; a revision is stemmed in its own language,
# so the question is stemmed in each language of the workspace and matched like with like.
STATEMENT = """
    WITH terms AS (
        SELECT DISTINCT c.language, t.lexeme
        FROM unnest(%(languages_used)s::text[], %(configurations)s::text[])
                 AS c(language, configuration),
             unnest(to_tsvector(c.configuration::regconfig, %(question)s)) AS t
    ),
    documents AS (
        SELECT a.id AS article_id, r.id AS revision_id, r.language, r.search,
               length(r.search) AS size
        FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
        WHERE {condition}
    ),
    collection AS (SELECT count(*)::float AS documents, avg(size)::float AS size FROM documents),
    matches AS (
        SELECT d.article_id, d.revision_id, d.size, t.lexeme, d.language,
               cardinality(u.positions)::float AS tf
        FROM documents d
        JOIN terms t ON t.language = d.language AND d.search @@ quote_literal(t.lexeme)::tsquery
        JOIN LATERAL unnest(d.search) u ON u.lexeme = t.lexeme
    ),
    frequencies AS (SELECT language, lexeme, count(*)::float AS df FROM matches GROUP BY 1, 2)
    SELECT m.article_id, m.revision_id,
           sum(ln(1 + (c.documents - f.df + 0.5) / (f.df + 0.5))
               * m.tf * 2.2 / (m.tf + 1.2 * (0.25 + 0.75 * m.size / greatest(c.size, 1)))) AS score
    FROM matches m
    JOIN frequencies f USING (language, lexeme)
    CROSS JOIN collection c
    GROUP BY 1, 2
    ORDER BY score DESC, m.article_id
    LIMIT %(limit)s
"""


def search_text(question: str, *, scope: SearchScope, limit: int) -> list[TextHit]:
    """The `limit` articles whose words fit the question best, best first."""
    languages = _languages_in(scope.workspace_id)
    if not languages:
        return []
    condition, parameters = scope_condition(scope)
    parameters |= {
        "question": question,
        "limit": limit,
        "languages_used": languages,
        "configurations": [search_configuration(language) for language in languages],
    }
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT.format(condition=condition), parameters)
        return [
            TextHit(article_id=article, revision_id=revision, score=float(score))
            for article, revision, score in cursor.fetchall()
        ]


def _languages_in(workspace_id: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT r.language FROM kb_article a"
            " JOIN kb_revision r ON r.id = a.published_revision_id WHERE a.workspace_id = %s",
            [workspace_id],
        )
        return [language for (language,) in cursor.fetchall()]
