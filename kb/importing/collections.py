"""Collections that an import names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from django.utils.text import slugify

from kb.content import clean_label
from kb.importing.items import ImportItem
from kb.models import Collection, Workspace

MAX_SLUG = 100


def ensure_collections(
    workspace: Workspace, items: Iterable[ImportItem]
) -> Mapping[str, Collection]:
    """By the name that the items use; those that do not exist are made.

    Before any article, and in one order, so that imports side by side do not block each other.
    """
    names = sorted({item.collection for item in items if item.collection})
    slugs = {name: slug_of(name) for name in names}
    Collection.objects.bulk_create(
        [
            Collection(workspace=workspace, name=clean_label("collection", name), slug=slug)
            for name, slug in slugs.items()
        ],
        ignore_conflicts=True,
    )
    found = Collection.objects.filter(workspace=workspace, slug__in=slugs.values())
    by_slug = {collection.slug: collection for collection in found}
    return {name: by_slug[slug] for name, slug in slugs.items()}


def slug_of(name: str) -> str:
    """Always the same for a name; of a hash for names without Latin letters, or long ones."""
    slug = slugify(name)
    if slug and len(slug) <= MAX_SLUG:
        return slug
    return f"collection-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
