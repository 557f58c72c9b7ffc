"""Full-text search over published revisions: the lexical leg.

Scores are BM25 (`kb.bm25`) over PostgreSQL's stemmed words, which ts_rank cannot give (it
knows no inverse document frequency), with the statistics that `kb.terms` keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from kb.bm25 import K1, B
from kb.languages import search_configuration
from kb.models import Audience
from kb.terms import QuestionTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What narrows a search within what the reader may see; an empty one narrows nothing.

    Slugs of collections, language codes, tags (any of them) and sources (the exact text);
    `audience` asks for one kind of article only and never opens the other; `updated_after`
    is the earliest time of publishing.
    """

    collections: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    audience: str = ""
    updated_after: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Those that narrow, in plain values; `filters_from_json` reads it back."""
        given = {name: value for name, value in asdict(self).items() if value}
        if self.updated_after is not None:
            given["updated_after"] = self.updated_after.isoformat()
        return {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}


NO_FILTERS = Filters()


def filters_from_json(given: Mapping[str, Any]) -> Filters:
    """What `Filters.as_json` gave. Raises TypeError for other names."""
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
    if "updated_after" in values:
        values["updated_after"] = datetime.fromisoformat(given["updated_after"])
    return Filters(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchScope:
    """What one reader may find: a tenant, whether internal articles count, and filters."""

    workspace_id: int
    include_internal: bool = False
    filters: Filters = NO_FILTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class TextHit:
    """A published revision and its BM25 score, as a share of the most there is: 0 to 1."""

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
        parts.append("r.audience = %(public)s")
        parameters["public"] = Audience.PUBLIC.value
    for name, value in asdict(scope.filters).items():
        if value:
            parts.append(FILTER_CONDITIONS[name])
            parameters[name] = list(value) if isinstance(value, tuple) else value
    return " AND ".join(parts), parameters


FILTER_CONDITIONS = {
    "collections": "a.collection_id IN (SELECT id FROM kb_collection WHERE"
    " workspace_id = %(workspace_id)s AND slug = ANY(%(collections)s))",
    "languages": "r.language = ANY(%(languages)s)",
    "tags": "a.tags && %(tags)s::varchar[]",
    "sources": "a.source = ANY(%(sources)s)",
    "audience": "r.audience = %(audience)s",
    "updated_after": "a.published_at >= %(updated_after)s",
}


# A revision is stemmed in its own language, and like is matched with like. What no rare word
# of the question finds is not looked at.
STATEMENT = """
    WITH terms AS (
        SELECT * FROM unnest(%(term_languages)s::text[], %(words)s::text[], %(weights)s::float[])
            AS t(language, word, weight)
    ),
    documents AS MATERIALIZED (
        SELECT a.id AS article_id, r.id AS revision_id, r.language, r.search,
               length(r.search) / s.size AS relative
        FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
        JOIN unnest(%(languages_known)s::text[], %(sizes)s::float[]) AS s(language, size)
            ON s.language = r.language
        WHERE {condition} AND r.search @@ %(finding)s::tsquery AND {where}
        LIMIT %(compared)s
    ),
    -- Each text is taken apart once, and not again for each word of the question.
    said AS MATERIALIZED (
        SELECT d.article_id, d.revision_id, d.language, d.relative, u.lexeme,
               cardinality(u.positions) AS count
        FROM documents d, LATERAL unnest(d.search) u
    )
    SELECT d.article_id, d.revision_id,
           sum(t.weight * d.count / (d.count + %(k1)s * (1 - %(b)s + %(b)s * d.relative))) AS score
    FROM said d JOIN terms t ON t.word = d.lexeme AND t.language = d.language
    GROUP BY 1, 2
    ORDER BY score DESC, d.article_id
    LIMIT %(limit)s
"""

TITLES = """
    WITH terms AS (
        SELECT * FROM unnest(%(term_languages)s::text[], %(words)s::text[], %(weights)s::float[])
            AS t(language, word, weight)
    ),
    said AS MATERIALIZED (
        SELECT r.id, r.language, u.lexeme
        FROM kb_article a JOIN kb_revision r ON r.id = a.published_revision_id
        JOIN unnest(%(languages_known)s::text[], %(configurations)s::text[])
            AS c(language, configuration) ON c.language = r.language,
        LATERAL unnest(to_tsvector(c.configuration::regconfig, kb_spaced(r.title))) u
        WHERE {condition} AND r.id = ANY(%(revisions)s)
    )
    SELECT s.id, sum(t.weight)
    FROM said s JOIN terms t ON t.word = s.lexeme AND t.language = s.language
    GROUP BY 1
"""

# Articles compared for one question; a word that more hold finds nothing by itself, and of a
# question without a rarer one only so many, whichever come first.
MOST_COMPARED = 2_000


def search_text(
    terms: QuestionTerms, *, scope: SearchScope, limit: int, where: str = "true"
) -> list[TextHit]:
    """The `limit` articles whose words fit the question best, best first. One query.

    `where` is SQL of the caller's own that narrows further, over the aliases of the scope.
    """
    finding = _finding(terms)
    if not finding:
        return []
    compared = terms.bound(MOST_COMPARED)
    extra = {"finding": finding, "compared": compared, "limit": limit, "k1": K1, "b": B}
    statement = STATEMENT.replace("{where}", where)
    return [
        TextHit(article_id=article, revision_id=revision, score=float(score))
        for article, revision, score in _fetch(statement, terms, scope, extra)
    ]


def title_coverage(
    terms: QuestionTerms, revisions: Collection[int], *, scope: SearchScope
) -> dict[int, float]:
    """By revision, the weight of the question's words that its title says (0 to 1); one
    that says none is missing. One query."""
    rows = _fetch(TITLES, terms, scope, {"revisions": list(revisions)})
    return {revision: float(share) for revision, share in rows}


def _fetch(
    statement: str, terms: QuestionTerms, scope: SearchScope, extra: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    condition, parameters = scope_condition(scope)
    weighted = [
        (language, word, weight)
        for language, known in terms.languages.items()
        for word, weight in known.weights.items()
    ]
    parameters |= {
        "term_languages": [language for language, _, _ in weighted],
        "words": [word for _, word, _ in weighted],
        "weights": [weight for _, _, weight in weighted],
        "languages_known": list(terms.languages),
        "sizes": [max(known.average_size, 1.0) for known in terms.languages.values()],
        "configurations": [search_configuration(language) for language in terms.languages],
        **extra,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement.format(condition=condition), parameters)
        return list(cursor.fetchall())


def _finding(terms: QuestionTerms) -> str:
    """The question's rare words as a tsquery; empty if no article says any word."""
    rare = {word for words in terms.rarest(MOST_COMPARED).values() for word in words}
    return " | ".join(_quoted(word) for word in sorted(rare))


def _quoted(word: str) -> str:
    doubled = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
