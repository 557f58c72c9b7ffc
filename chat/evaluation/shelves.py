"""Where an article stands, for figures by group: language, collection, length."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from embeddings.models import IndexEntry, IndexVersion
from kb.models import Article

# Tokens of the version's own encoder, inclusive.
LENGTHS = ((512, "to 512"), (2048, "to 2,048"), (8192, "to 8,192"))
LONGER = "over 8,192"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What an article counts to; empty where it is not known."""

    language: str = ""
    collection: str = ""
    length: str = ""


def shelves_of(articles: Collection[int], *, version: IndexVersion) -> dict[int, Shelf]:
    """By article id, for those published in the version's workspace. Two queries."""
    entries = IndexEntry.objects.filter(index_version=version, revision__article__in=articles)
    tokens = dict(entries.current().values_list("revision__article", "tokens"))
    known = Article.objects.filter(pk__in=articles, workspace=version.workspace_id).published()
    return {
        pk: Shelf(
            language=language,
            collection=collection or "",
            length=length_of(tokens.get(pk)),
        )
        for pk, language, collection in known.values_list(
            "pk", "published_revision__language", "collection__name"
        )
    }


def length_of(tokens: int | None) -> str:
    """The bucket of an article; empty when it is not embedded."""
    if tokens is None:
        return ""
    return next((name for most, name in LENGTHS if tokens <= most), LONGER)
