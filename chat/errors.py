"""Errors of the chat side."""

from __future__ import annotations

from kb.errors import InvalidInput


class QuestionRejected(InvalidInput):
    """The question is empty, too long, or not text."""

    code = "question_rejected"
