"""From what a request or a file says to a draft of a curated answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from chat.models import CuratedAnswer
from chat.services.curated import (
    CuratedDraft,
    draft_of,
    lock_curated_answer,
    save_curated_answer,
)
from kb.access import Caller, Permission, articles_of
from kb.errors import NotFound
from kb.models import Article, Collection

NUMBER = re.compile(r"#(\d{1,18})\b", re.ASCII)
PLAIN = ("text", "language", "audience", "enabled", "valid_until")


def write_curated_answer(
    caller: Caller,
    given: Mapping[str, Any],
    *,
    answer: CuratedAnswer | None = None,
    tell: bool = True,
) -> CuratedAnswer:
    """A new answer, or `answer` changed in what is given, by nobody else meanwhile.

    Raises what `draft_from` and `save_curated_answer` raise; then nothing was changed.
    """
    with transaction.atomic():
        locked = lock_curated_answer(caller, answer) if answer else None
        draft = draft_from(caller, given, answer=locked)
        return save_curated_answer(caller, draft=draft, answer=locked, tell=tell)


def draft_from(
    caller: Caller, given: Mapping[str, Any], *, answer: CuratedAnswer | None = None
) -> CuratedDraft:
    """What is not given stays as it is; of a new answer, as it is by default.

    `collection` is a slug, `sources` are ids of articles. Raises NotFound for one that does
    not exist for the caller.
    """
    language = caller.workspace.default_language
    before = draft_of(answer) if answer else CuratedDraft(text="", questions=(), language=language)
    changed = {name: given[name] for name in PLAIN if name in given}
    if "questions" in given:
        changed["questions"] = tuple(given["questions"])
    if "collection" in given:
        changed["collection"] = find_collection(caller, given["collection"])
    if "sources" in given:
        changed["sources"] = find_articles(caller, ids=given["sources"])
    return replace(before, **changed)


def find_collection(caller: Caller, slug: str | None) -> Collection | None:
    """By its slug; None for none. Raises NotFound."""
    if not slug:
        return None
    found = Collection.objects.filter(workspace=caller.workspace, slug=slug).first()
    if found is None:
        raise NotFound(f"There is no collection {slug!r} in this workspace.")
    return found


def find_articles(
    caller: Caller, *, ids: Sequence[int] = (), external_ids: Sequence[str] = ()
) -> tuple[Article, ...]:
    """In their order, each once. One query. Raises NotFound that names what is missing."""
    if not ids and not external_ids:
        return ()
    mine = articles_of(caller, Permission.ARTICLES_READ).with_texts()
    found = mine.filter(pk__in=ids) if ids else mine.filter(external_id__in=external_ids)
    by_name = {(each.pk if ids else each.external_id): each for each in found}
    names: Sequence[int | str] = ids or external_ids
    missing = [str(name) for name in names if name not in by_name]
    if missing:
        raise NotFound(f"There is no article {', '.join(missing)} in this workspace.")
    return tuple(by_name[name] for name in dict.fromkeys(names))


def name_of(article: Article) -> str:
    """What `find_named_articles` finds it by: its external id, unless that would be read
    otherwise."""
    name = article.external_id or ""
    plain = name.splitlines() == [name.strip()] and not NUMBER.match(name)
    return name if plain else f"#{article.pk}"


def find_named_articles(caller: Caller, lines: str) -> tuple[Article, ...]:
    """One a line, in their order: `#12` (and whatever follows) or an external id.

    Two queries. Raises NotFound.
    """
    names = [line.strip() for line in lines.splitlines() if line.strip()]
    numbers = [match and int(match[1]) for match in map(NUMBER.match, names)]
    external = [name for name, number in zip(names, numbers, strict=True) if number is None]
    by_number = find_articles(caller, ids=[number for number in numbers if number is not None])
    by_name = find_articles(caller, external_ids=external)
    found: dict[int | str | None, Article] = {each.pk: each for each in by_number}
    found |= {each.external_id: each for each in by_name}
    ordered = (
        found[name if number is None else number]
        for name, number in zip(names, numbers, strict=True)
    )
    return tuple(dict.fromkeys(ordered))
