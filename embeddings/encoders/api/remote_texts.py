"""Texts before and after a request: do they fit, and did the server read all of them?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.estimate import TokenCounter
from embeddings.encoders.utf8 import utf8
from embeddings.errors import TextNotEmbeddable, TextTooLong

# A server's tokenizer may differ by a few tokens from the file we were given.
TOLERANCE = 0.02


def check_texts(
    texts: Sequence[str], counter: TokenCounter, *, window: int, name: str
) -> list[int]:
    """Tokens of each text. Raises TextNotEmbeddable for an empty text, TextTooLong for one over
    the window; where tokens are only estimated, that is for the server to say."""
    utf8("".join(texts))
    lengths = counter.count(texts)
    for text, length in zip(texts, lengths, strict=True):
        if not text.strip():
            raise TextNotEmbeddable("An empty text has no vector.")
        if counter.exact and length + counter.special_tokens > window:
            raise TextTooLong(
                f"A text of {length} tokens does not fit the {window} of {name}; split it."
            )
    return lengths


def check_not_cut(counter: TokenCounter, counted: int | None, tokens: int, *, server: str) -> None:
    """Raises TextNotEmbeddable when the server counted clearly fewer tokens than there are."""
    if counter.exact and counted is not None and counted < tokens * (1 - TOLERANCE) - 1:
        raise TextNotEmbeddable(
            f"{server} read {counted} tokens where {tokens} were sent: it cuts texts, or the "
            "option tokenizer is another model's. Configure a smaller window or the right one."
        )


def scales(
    counter: TokenCounter, counted: int | None, tokens: int, texts: int
) -> NDArray[np.float64]:
    """The server's tokens over our estimate, for each text of one request; 1 where ours are
    exact or the server does not say. Shape (texts,)."""
    known = not counter.exact and counted and tokens
    return np.full(texts, counted / tokens if known and counted else 1.0)
