"""Text that can leave Python: whole characters only."""

from __future__ import annotations

from embeddings.errors import TextNotEmbeddable


def utf8(text: str) -> bytes:
    """The text's bytes. Raises TextNotEmbeddable for half a character (a lone surrogate)."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TextNotEmbeddable("The text holds half a character (a lone surrogate).") from error
