"""From a validated request body to the services."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from kb.access import Caller, Permission, require
from kb.content import clean
from kb.errors import Forbidden, NotFound
from kb.models import Article, Audience, Collection
from kb.services import SavedArticle, publish_article, save_article
from kb.services.articles import UNSET


def write_article(
    caller: Caller,
    given: dict[str, Any],
    *,
    article: Article | None = None,
    external_id: str | None = None,
) -> SavedArticle:
    """Save, and publish if asked to, in one transaction.

    What is not given stays as it is. Raises DomainError; then nothing was changed.
    """
    require(caller, Permission.ARTICLES_WRITE)
    if given.get("publish"):
        require(caller, Permission.ARTICLES_PUBLISH)
    article = article or _visible_by_external_id(caller, external_id)
    with transaction.atomic():
        saved = save_article(
            caller.workspace,
            text=clean(**_text(caller, given, article)),
            article=article,
            external_id=external_id,
            collection=_collection(caller, given),
            tags=given.get("tags", UNSET),
            source=given.get("source", UNSET),
            author=caller.user,
            change_note=given.get("change_note", ""),
        )
        if given.get("publish"):
            publish_article(saved.article, actor=caller.user)
    return saved


def _visible_by_external_id(caller: Caller, external_id: str | None) -> Article | None:
    if external_id is None:
        return None
    mine = Article.objects.in_workspace(caller.workspace).filter(external_id=external_id)
    found = mine.select_related("latest_revision").first()
    if found and not mine.visible(include_internal=caller.include_internal).exists():
        raise NotFound("There is no such article.")
    return found


def _text(caller: Caller, given: dict[str, Any], article: Article | None) -> dict[str, str]:
    latest = article.latest_revision if article else None
    fields = ("title", "body", "language", "audience")
    before = {name: getattr(latest, name) for name in fields} if latest else {}
    text = {
        "title": "",
        "body": "",
        "language": caller.workspace.default_language,
        "audience": Audience.PUBLIC.value,
        **before,
        **{name: given[name] for name in fields if name in given},
    }
    if text["audience"] == Audience.INTERNAL and not caller.include_internal:
        raise Forbidden("Only a key with the internal scope writes internal articles.")
    return text


def _collection(caller: Caller, given: dict[str, Any]) -> Any:  # noqa: ANN401 - Collection, None or UNSET
    if "collection" not in given:
        return UNSET
    if given["collection"] is None:
        return None
    found = Collection.objects.filter(workspace=caller.workspace, slug=given["collection"]).first()
    if found is None:
        raise NotFound(f"There is no collection {given['collection']!r} in this workspace.")
    return found
