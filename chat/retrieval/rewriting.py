"""Follow-ups made questions of their own by a language model, where one is set up.

Whatever happens to the model, the question is asked: then as it was said, with the turns
before it by weight (`chat.retrieval.conversation`), and the trace says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

import structlog

from chat.errors import QuestionRejected
from chat.retrieval.conversation import Turn
from chat.retrieval.question import clean_question
from chat.retrieval.rewriters import Rewriter, RewritingFailed, configured_rewriter
from chat.retrieval.settings import PipelineSettings

log = structlog.get_logger(__name__)

# They only wait for the network. Past the deadline one waits on in vain, not for much longer.
_POOL = ThreadPoolExecutor(32, thread_name_prefix="rewrite")
QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "「": "」"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """What is to be searched for: `text`.

    If `rewritten_by` names a model, `text` stands alone. Else it is the question as it was
    asked, and `skipped` says why, unless nothing had been said before.
    """

    text: str
    rewritten_by: str = ""
    skipped: str = ""


def rewrite_question(
    text: str, history: Sequence[Turn], *, settings: PipelineSettings, language: str = ""
) -> Rewriting:
    """`text`, already clean, as a question that stands alone. No query; raises nothing.

    A model is asked once, and only about a question with history, within `rewrite_seconds`.
    `language` is the visitor's if it is known.
    """
    if not any(turn.text.strip() for turn in history):
        return Rewriting(text=text)
    if not settings.rewrite:
        return Rewriting(text=text, skipped="turned off in the profile")
    rewriter = configured_rewriter()
    if rewriter is None:
        return Rewriting(text=text, skipped="no language model is set up")
    try:
        made = _within(settings.rewrite_seconds, rewriter, text, history, language)
        return Rewriting(text=_accepted(made, text), rewritten_by=rewriter.name)
    except TimeoutError:
        reason = f"no answer in {settings.rewrite_seconds:g} s"
    except RewritingFailed as error:
        reason = str(error)
    except Exception as error:
        # A visitor's answer does not hang on code that only words the question.
        log.exception("rewriter_failed", model=rewriter.name)
        reason = type(error).__name__
    log.warning("question_not_rewritten", model=rewriter.name, reason=reason)
    return Rewriting(text=text, skipped=reason)


def _within(
    seconds: float, rewriter: Rewriter, text: str, history: Sequence[Turn], language: str
) -> str:
    """The model's words. Raises TimeoutError past `seconds`, and what the rewriter raises."""
    context = copy_context()  # the request's id, for logs
    future = _POOL.submit(
        context.run, lambda: rewriter.rewrite(text, history, language, seconds=seconds)
    )
    try:
        return future.result(timeout=seconds)
    finally:
        future.cancel()


def _accepted(made: str, asked: str) -> str:
    """One line that could have been asked like this. Raises RewritingFailed."""
    text = made.strip()
    if len(text) > 1 and text[0] != asked[0] and QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    if not text:
        raise RewritingFailed("the model said nothing")
    if len(text.splitlines()) > 1:
        raise RewritingFailed("the model said more than one line")
    try:
        return clean_question(text)
    except QuestionRejected as error:
        raise RewritingFailed(f"the model's question is none: {error}") from error
