"""Context without an answer, for callers that generate themselves."""

from __future__ import annotations

from collections.abc import Sequence

from chat.models import Trace
from chat.retrieval.conversation import Turn
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.traces import save_trace
from kb.access import Caller, Permission, require
from kb.search import NO_FILTERS, Filters


def retrieve_for(
    caller: Caller,
    *,
    question: str,
    profile: str | None = None,
    history: Sequence[Turn] = (),
    filters: Filters = NO_FILTERS,
) -> tuple[Retrieval, Trace]:
    """What the caller may find, and the trace saved of it; `history` is what was said before.

    Raises Forbidden, and what `retrieve` raises; then nothing is saved.
    """
    require(caller, Permission.RETRIEVE)
    retrieval = retrieve(
        question,
        workspace=caller.workspace,
        include_internal=caller.include_internal,
        profile=profile,
        history=history,
        filters=filters,
    )
    return retrieval, save_trace(caller.workspace, retrieval)
