"""Errors of the chat side."""

from __future__ import annotations

from kb.errors import Conflict, InvalidInput


class QuestionRejected(InvalidInput):
    """The question is empty, too long, or not text."""

    code = "question_rejected"


class DatasetInvalid(InvalidInput):
    """A file of an evaluation's dataset is missing or broken; the message names it."""

    code = "dataset_invalid"


class CannotJudge(Conflict):
    """The candidate cannot be judged beside the live version just now; the message says why."""

    code = "cannot_judge"
