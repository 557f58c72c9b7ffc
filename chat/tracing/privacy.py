"""What of a trace is stored, by its workspace's policy: the words masked, or none at all.

Masked are the question as asked and as searched, its parts, the conversation before it and
the answer; the question's words with their weights are left out where anything was masked.
Citations quote articles, which are not the visitor's, and stay. Messages of conversations
are rows of their own, and no matter of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from chat.models import Trace
from chat.models.trace_policy import TracePolicy
from chat.tracing.redaction import redact, redact_parts
from chat.tracing.regions import REGIONS

Mask = Callable[[str], str]
Json: TypeAlias = Any


def withhold(trace: Trace, policy: TracePolicy) -> Trace:
    """The trace, not yet saved, without what the policy does not let it keep."""
    if not policy.keep_texts:
        return _without_texts(trace)
    return _masked(trace, _regions(trace, policy)) if policy.redact else trace


def keeps_texts(trace: Trace) -> bool:
    """Whether the words are there, so that the question can be asked again."""
    return bool(trace.question)


def _regions(trace: Trace, policy: TracePolicy) -> tuple[str, ...]:
    if policy.phone_regions:
        return tuple(region.upper() for region in policy.phone_regions)
    answer = trace.detail.get("answer") or {}
    languages = {trace.workspace.default_language, str(answer.get("language", ""))}
    return tuple(sorted({each for code in languages for each in REGIONS.get(code, ())}))


def _without_texts(trace: Trace) -> Trace:
    trace.question = trace.answer = ""
    detail = dict(trace.detail)
    detail["question"] = {"text": "", "parts": [], "history": []}
    detail["legs"] = {**detail.get("legs", {}), "terms": {}}
    if detail.get("answer"):
        detail["answer"] = _answer(detail["answer"], lambda _: "")
        detail["answer"]["citations"] = [
            {**citation, "quote": ""} for citation in detail["answer"].get("citations", [])
        ]
    trace.detail = {**detail, "privacy": {"texts": False, "masked": False}}
    return trace


def _masked(trace: Trace, regions: tuple[str, ...]) -> Trace:
    def mask(text: str) -> str:
        return redact(text, regions=regions)

    detail = dict(trace.detail)
    said: dict[str, Any] = detail["question"]
    detail["question"] = {
        **_each_text(said, mask),
        "parts": redact_parts(said["text"], said["parts"], regions=regions),
    }
    if detail.get("answer"):
        detail["answer"] = _answer(detail["answer"], mask)
    changed = detail["question"] != said
    if changed:
        detail["legs"] = {**detail.get("legs", {}), "terms": {}}
    trace.question, trace.answer = mask(trace.question), mask(trace.answer)
    trace.detail = {**detail, "privacy": {"texts": True, "masked": changed}}
    return trace


def _answer(answer: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """Every text in it by the mask, but for what names things and what articles say."""
    named = {"generator", "language", "reason", "citations"}
    return {
        key: value if key in named else _each_text(value, mask) for key, value in answer.items()
    }


def _each_text(value: Json, mask: Mask) -> Json:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _each_text(each, mask) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each_text(each, mask) for each in value]
    return value
