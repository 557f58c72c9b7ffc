"""Conversations written as one text: each turn begins a line with `user:` or `agent:`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from chat.retrieval.conversation import Turn
from kb.errors import InvalidInput

_ROLES: dict[str, Literal["visitor", "assistant"]] = {
    "user": "visitor",
    "visitor": "visitor",
    "agent": "assistant",
    "assistant": "assistant",
}
_BEGINNING = re.compile(rf"^({'|'.join(_ROLES)}):[ \t]*", re.MULTILINE)


class HistoryMode(StrEnum):
    """How much of a conversation goes in with its last question."""

    ALL = "all"
    USER = "user"
    LAST = "last"


def parse_turns(text: str) -> list[Turn]:
    """The turns in order. Raises InvalidInput for text before the first of them."""
    beginnings = list(_BEGINNING.finditer(text))
    if not beginnings or text[: beginnings[0].start()].strip():
        raise InvalidInput("A conversation begins with “user:” or “agent:”.", field="history")
    ends = [each.start() for each in beginnings[1:]] + [len(text)]
    return [
        Turn(role=_ROLES[each[1]], text=text[each.end() : end].strip())
        for each, end in zip(beginnings, ends, strict=True)
    ]


def split_question(text: str, mode: HistoryMode) -> tuple[str, tuple[Turn, ...]]:
    """The last turn of a visitor, and the turns before it as far as `mode` lets them in.

    Text that is no conversation is a question without history.
    """
    if not _BEGINNING.match(text.lstrip()):
        return text, ()
    turns = parse_turns(text.lstrip())
    last = max((i for i, turn in enumerate(turns) if turn.role == "visitor"), default=None)
    if last is None:
        raise InvalidInput("In this conversation no visitor says anything.", field="history")
    return turns[last].text, _before(turns[:last], mode)


def _before(turns: Sequence[Turn], mode: HistoryMode) -> tuple[Turn, ...]:
    if mode == HistoryMode.LAST:
        return ()
    return tuple(t for t in turns if mode == HistoryMode.ALL or t.role == "visitor")
