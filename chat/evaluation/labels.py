"""What the `metadata` of a question says about its answer.

`answerable` (false: nothing answers it), `article` (its external id), `answer` (the words
that answer), `start` and `end` (their characters in the article's text) or `answer_char`
(their beginning alone), `quote` (as `answer`, and refused if the text does not hold it; an
`answer` in other words only leaves the place open), `also` (a list of further places with
the same names), `relevance`, `language`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from kb.errors import InvalidInput

# An answer whose beginning alone is known: so many characters from there.
GUESSED_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One place that answers; without offsets anywhere in the article, or where the quote is.

    `verbatim` says that the text must hold the quote.
    """

    article: str = ""
    relevance: int = 1
    quote: str = ""
    verbatim: bool = False
    start: int | None = None
    end: int | None = None

    @property
    def ranged(self) -> bool:
        """Whether it says which passage answers."""
        return bool(self.quote) or self.start is not None

    def of(self, article: str) -> Self:
        """The same in a named article."""
        return replace(self, article=article)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What is known of one question."""

    answerable: bool = True
    labels: tuple[Label, ...] = ()
    language: str = ""


def read_labels(metadata: object) -> Labelled:
    """Raises InvalidInput that names the faulty entry."""
    if not isinstance(metadata, Mapping):
        raise InvalidInput("metadata must be a JSON object.")
    answerable = metadata.get("answerable", True)
    if not isinstance(answerable, bool):
        raise InvalidInput("metadata.answerable must be true or false.")
    also = metadata.get("also") or []
    if not isinstance(also, list) or not all(isinstance(each, Mapping) for each in also):
        raise InvalidInput("metadata.also must be a list of JSON objects.")
    labels = [read_label(each) for each in (metadata, *also)]
    return Labelled(
        answerable=answerable,
        labels=tuple(label for label in labels if label.article or label.ranged),
        language=_text(metadata, "language"),
    )


def read_label(given: Mapping[str, object]) -> Label:
    """One place, from the names above. Raises InvalidInput."""
    quote = _text(given, "answer") or _text(given, "quote")
    start, end = _offset(given, "start"), _offset(given, "end")
    guessed = _offset(given, "answer_char")
    if start is None and guessed is not None:
        start, end = guessed, guessed + (len(quote) or GUESSED_CHARACTERS)
    if (start is None) != (end is None) or (start is not None and end is not None and end <= start):
        raise InvalidInput("start and end go together, and end comes after start.")
    relevance = given.get("relevance", 1)
    if isinstance(relevance, bool) or not isinstance(relevance, int) or not 1 <= relevance <= 100:
        raise InvalidInput("relevance must be a whole number from 1 to 100.")
    return Label(
        article=_text(given, "article"),
        relevance=relevance,
        quote=quote,
        verbatim=bool(given.get("quote")) or (bool(quote) and start is not None),
        start=start,
        end=end,
    )


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be text.")
    return value


def _offset(given: Mapping[str, object], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInput(f"{name} must be a whole number, 0 or more.")
    return value
