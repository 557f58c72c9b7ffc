"""What an article says: cleaned, checked and hashed in one place."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from kb.errors import InvalidInput, TooLarge
from kb.languages import Language
from kb.models import Audience

DEFAULT_MAX_BYTES = 1_000_000
MAX_TITLE_CHARACTERS = 300
MAX_LABEL_CHARACTERS = 200
MAX_TAG_CHARACTERS = 60

# C0 controls but tab and newline, and lone surrogates: PostgreSQL stores neither NUL nor
# surrogates, and the others are never meant.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# What is around a text and not of it: white space (U+3000 is the last), and byte order marks.
EDGES = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleText:
    """Text that may be stored; make it with `clean`."""

    title: str
    body: str
    language: str = Language.ENGLISH
    audience: str = Audience.PUBLIC


def clean(
    *,
    title: str,
    body: str,
    language: str = Language.ENGLISH,
    audience: str = Audience.PUBLIC,
) -> ArticleText:
    """The text as it is stored: line ends are `\\n`, white space and byte order marks around
    it are gone.

    Nothing inside the body is changed: offsets count its characters. Raises InvalidInput
    (with the field) or TooLarge.
    """
    _require_known("language", language, Language.values)
    _require_known("audience", audience, Audience.values)
    return ArticleText(
        title=_clean_title(title),
        body=_clean_body(body),
        language=str(language),
        audience=str(audience),
    )


def content_hash(text: ArticleText) -> str:
    """SHA-256 over title, body, language and audience, each framed by its length."""
    digest = hashlib.sha256()
    for part in (text.title, text.body, text.language, text.audience):
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def clean_external_id(value: str) -> str:
    """The id as given. Raises InvalidInput for what no other system could mean."""
    if not value.strip() or not value.isprintable() or len(value) > MAX_LABEL_CHARACTERS:
        raise InvalidInput("An external id has 1 to 200 printable characters.", field="external_id")
    return value


def clean_label(field: str, value: str) -> str:
    """A name of one line (a source, a collection), stripped. Raises InvalidInput."""
    stripped = value.strip()
    if not stripped.isprintable() or len(stripped) > MAX_LABEL_CHARACTERS:
        raise InvalidInput(f"A {field} has at most 200 printable characters.", field=field)
    return stripped


def clean_tags(tags: Sequence[str]) -> list[str]:
    """Each once, in their order, without needless white space. Raises InvalidInput."""
    cleaned = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if any(len(tag) > MAX_TAG_CHARACTERS or not tag.isprintable() for tag in cleaned):
        raise InvalidInput("A tag has at most 60 printable characters.", field="tags")
    return cleaned


def _clean_title(title: str) -> str:
    collapsed = " ".join(title.strip(EDGES).split())
    _require_text("title", collapsed)
    if len(collapsed) > MAX_TITLE_CHARACTERS:
        raise InvalidInput(
            f"The title has {len(collapsed)} characters; at most {MAX_TITLE_CHARACTERS} fit.",
            field="title",
        )
    return collapsed


def _clean_body(body: str) -> str:
    unified = body.replace("\r\n", "\n").replace("\r", "\n").strip(EDGES)
    _require_text("body", unified)
    limit: int = getattr(settings, "KB_MAX_ARTICLE_BYTES", DEFAULT_MAX_BYTES)
    size = len(unified.encode())
    if size > limit:
        raise TooLarge(
            f"The body has {size:,} bytes; at most {limit:,} fit. Split the article.",
            field="body",
        )
    return unified


def _require_text(field: str, value: str) -> None:
    if not value:
        raise InvalidInput(f"The {field} is empty.", field=field)
    if found := FORBIDDEN.search(value):
        character = found.group()
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        raise InvalidInput(
            f"The {field} has a character that is not text ({name}) at {found.start()}; remove it.",
            field=field,
        )


def _require_known(field: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise InvalidInput(f"{value!r} is no {field}; known are: {', '.join(known)}.", field=field)
