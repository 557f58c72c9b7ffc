"""What readers produce: items, problems, and files that are no articles."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.utils.text import slugify

MAX_DERIVED_TITLE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportItem:
    """One article as a file gives it, unchecked.

    `origin` names file and line for people. None means that the file does not say: an
    article that exists keeps what it has, a new one gets the workspace's language, the public
    audience, no collection, tags or source.
    """

    origin: str
    external_id: str
    title: str
    body: str
    language: str | None = None
    audience: str | None = None
    collection: str | None = None
    tags: tuple[str, ...] | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be imported; `origin` names file and, where there is one, line."""

    origin: str
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file that lies between articles and is none, such as an image."""

    origin: str


Reading = ImportItem | Problem | Ignored


def title_from(text: str, *, otherwise: str) -> str:
    """The first line that has words, without Markdown's heading signs; shortened if long.

    Nothing is lost: the line stays in the body.
    """
    for line in text.splitlines():
        title = " ".join(line.strip("#*_ \t").split())
        if title:
            cut = len(title) > MAX_DERIVED_TITLE
            return title[: MAX_DERIVED_TITLE - 1].rstrip() + "…" if cut else title
    return otherwise


def id_from_title(file_id: str, title: str) -> str:
    """For rows without an id of their own: stable while file name and title stay the same.

    Row numbers would not do: a row put in between would give every later article the text
    of its neighbour.
    """
    slug = slugify(title, allow_unicode=True)[:80]
    return f"{file_id}#{slug or hashlib.sha256(title.encode('utf-8', 'replace')).hexdigest()[:16]}"
