"""Text that stands in several places is given once, and says where else it stands.

Only what says the same words in the same order is folded, whatever its case, punctuation and
markup: in paraphrases one word ("not", another number) may be all the difference, and which
of two articles is right is not for the context to decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from chat.retrieval.results import ContextSpan, Place

WORD = re.compile(r"\w+")
SHINGLE = 3


class Folding:
    """Spans that say something new, in the order in which they came."""

    def __init__(self) -> None:
        self.spans: list[ContextSpan] = []
        self._said: list[set[tuple[str, ...]]] = []

    def add(self, spans: Iterable[ContextSpan]) -> None:
        """Keep what is new; the others are named by the span that says it (`also`). A text too
        short for a run of words is never folded."""
        for span in spans:
            runs = _runs(span.text)
            place = next((n for n, known in enumerate(self._said) if runs and runs <= known), None)
            if place is None:
                self.spans.append(span)
                self._said.append(runs)
            else:
                kept = self.spans[place]
                self.spans[place] = replace(kept, also=(*kept.also, _place(span)))


def _runs(text: str) -> set[tuple[str, ...]]:
    words = WORD.findall(text.casefold())
    return {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}


def _place(span: ContextSpan) -> Place:
    return Place(
        article_id=span.source.article_id,
        revision_id=span.source.revision_id,
        start=span.start,
        end=span.end,
    )
