"""Traces asked again, on another index version or with other settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chat.answering.answer import answer_question
from chat.models import Trace
from chat.retrieval.conversation import Turn
from chat.retrieval.pipeline import retrieve
from chat.retrieval.settings import PipelineSettings, load_profile
from chat.traces import access_trace, save_trace
from chat.tracing.privacy import keeps_texts
from embeddings.live import live_version
from embeddings.models import IndexVersion
from kb.access import Caller, Permission, require
from kb.errors import Conflict, InvalidInput, NotFound
from kb.search import Filters, filters_from_json


def replay_trace(
    caller: Caller, trace: Trace, *, profile: str | None = None, version: int | None = None
) -> Trace:
    """The same question, history, filters, language and reader, now, in a new trace that is
    linked to the old one.

    `profile` names settings, None takes those that the trace had. `version` is the number of
    an index version that receives articles; None takes the trace's own, or the live one if
    that is retired. Answered anew if the trace has an answer, else retrieved only. Raises
    Forbidden, NotFound (the trace, the profile, the version), Conflict (no words were kept),
    and what `retrieve` raises.
    """
    require(caller, Permission.RETRIEVE)
    trace = access_trace(caller, trace.pk)
    if not keeps_texts(trace):
        raise Conflict("This trace kept no words, so the question cannot be asked again.")
    asking: dict[str, Any] = {
        "workspace": caller.workspace,
        "include_internal": trace.include_internal,
        "profile": _settings(caller, trace, profile),
        "history": history_of(trace),
        "version": _version(caller, trace, version),
        "filters": filters_of(trace),
    }
    if trace.abstained is None:
        found = retrieve(trace.question, **asking)
        return save_trace(caller.workspace, found, replay_of=trace)
    language = language_of(trace)
    return answer_question(trace.question, language=language, replay_of=trace, **asking).trace


def history_of(trace: Trace) -> tuple[Turn, ...]:
    """The conversation before the question, as far as it was kept."""
    turns = _mapping(trace.detail, "question").get("history") or []
    return tuple(Turn(role=turn["role"], text=turn["text"]) for turn in turns)


def language_of(trace: Trace) -> str:
    """The visitor's, empty if it was not given; of traces of before it was kept the answer's."""
    asked = _mapping(trace.detail, "question")
    return str(asked.get("language", _mapping(trace.detail, "answer").get("language", "")))


def filters_of(trace: Trace) -> Filters:
    """What narrowed the search. Raises Conflict for a filter that is not known any more."""
    scope = _mapping(trace.detail, "scope")
    # Traces of before there was `filters` have them beside the reader.
    old = {key: value for key, value in scope.items() if key != "include_internal" and value}
    given = scope.get("filters", old)
    try:
        return filters_from_json(given)
    except (TypeError, ValueError) as error:
        message = f"This trace has filters that cannot be applied now: {', '.join(given)}."
        raise Conflict(message) from error


def settings_of(trace: Trace) -> PipelineSettings:
    """Those that the trace had; a setting that is gone since is left out. Raises Conflict."""
    kept = _mapping(trace.detail, "settings")
    names = {field.name for field in fields(PipelineSettings)}
    known = {name: value for name, value in kept.items() if name in names}
    try:
        return PipelineSettings(**{**known, "name": trace.profile})
    except InvalidInput as error:
        message = f"This trace's settings are not valid any more; name a profile. {error}"
        raise Conflict(message) from error


def active_version(caller: Caller, number: int) -> IndexVersion:
    """A version of the caller's workspace that still receives articles. Raises NotFound."""
    version = IndexVersion.objects.active().filter(workspace=caller.workspace, number=number)
    found = version.first()
    if found is None:
        raise NotFound(f"There is no index version {number} that can be asked; it may be retired.")
    return found


def _version(caller: Caller, trace: Trace, number: int | None) -> IndexVersion:
    if number is not None:
        return active_version(caller, number)
    same = IndexVersion.objects.active().filter(
        workspace=caller.workspace, pk=trace.index_version_id
    )
    return same.first() or live_version(caller.workspace)


def _settings(caller: Caller, trace: Trace, profile: str | None) -> PipelineSettings:
    """The named ones, or those in the trace."""
    return load_profile(caller.workspace, profile) if profile is not None else settings_of(trace)


def _mapping(detail: object, key: str) -> Mapping[str, Any]:
    value = detail.get(key) if isinstance(detail, Mapping) else None
    return value if isinstance(value, Mapping) else {}
