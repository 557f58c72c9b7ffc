"""Single values of an item, as front matter, a row or a JSON object gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kb.errors import InvalidInput

OPTIONAL_FIELDS = ("language", "audience", "collection", "source")


def text_of(given: Mapping[str, object], name: str) -> str:
    """A text or number as text, stripped; "" when absent. Raises InvalidInput for others."""
    value = given.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InvalidInput(f"{name} must be text, not {type(value).__name__}", field=name)
    return str(value).strip()


def optional(given: Mapping[str, object]) -> dict[str, str | None]:
    """Language, audience, collection and source; None for what is absent or empty."""
    return {name: text_of(given, name) or None for name in OPTIONAL_FIELDS}


def tags_of(value: object) -> tuple[str, ...] | None:
    """A list of texts, or one text with commas or semicolons. Raises InvalidInput."""
    if value is None:
        return None
    parts = re.split("[,;]", value) if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, (str, int)) for part in parts):
        raise InvalidInput("tags must be a list of texts", field="tags")
    return tuple(str(part).strip() for part in parts if str(part).strip())
