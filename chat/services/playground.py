"""Trying questions out: the one path to an answer, without leaving a trace."""

from __future__ import annotations

from collections.abc import Sequence

from chat.answering.answer import answer_question
from chat.models import Trace
from chat.retrieval.conversation import Turn
from chat.services.traces import active_version
from kb.access import Caller, Permission, require
from kb.search import NO_FILTERS, Filters


def try_question(
    caller: Caller,
    *,
    question: str,
    history: Sequence[Turn] = (),
    filters: Filters = NO_FILTERS,
    include_internal: bool = False,
    use_curated: bool = False,
    profile: str | None = None,
    version: int | None = None,
) -> Trace:
    """What a reader would be answered, as a whole trace that is not stored.

    `profile` None is the workspace's default, `version` None the live one. Internal articles
    only for callers that may see them. Raises Forbidden, NotFound (profile, version), and
    what `answer_question` raises.
    """
    require(caller, Permission.RETRIEVE)
    require(caller, Permission.TRACES_READ)
    return answer_question(
        question,
        workspace=caller.workspace,
        include_internal=include_internal and caller.include_internal,
        profile=profile,
        history=history,
        version=None if version is None else active_version(caller, version),
        filters=filters,
        use_curated=use_curated,
        keep_trace=False,
    ).trace
