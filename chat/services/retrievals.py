"""Context without an answer, for callers that generate themselves."""

from __future__ import annotations

from collections.abc import Sequence

from chat.models import Trace
from chat.retrieval.pipeline import retrieve
from chat.retrieval.results import Retrieval
from chat.traces import save_trace
from kb.access import Caller, Permission, require


def retrieve_for(
    caller: Caller,
    *,
    question: str,
    profile: str | None = None,
    collections: Sequence[str] = (),
    languages: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> tuple[Retrieval, Trace]:
    """What the caller may find, and the trace saved of it.

    Raises Forbidden, and what `retrieve` raises; then nothing is saved.
    """
    require(caller, Permission.RETRIEVE)
    retrieval = retrieve(
        question,
        workspace=caller.workspace,
        include_internal=caller.include_internal,
        profile=profile,
        collections=collections,
        languages=languages,
        tags=tags,
    )
    return retrieval, save_trace(caller.workspace, retrieval)
