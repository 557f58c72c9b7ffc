"""Many texts as few requests, side by side, with the answers in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from embeddings.encoders.api.http import Answer, JsonClient
from embeddings.encoders.api.remote_texts import check_not_cut, scales
from embeddings.encoders.api.vectors_wire import InvalidResponse
from embeddings.encoders.base import Matrix
from embeddings.encoders.estimate import TokenCounter
from embeddings.encoders.metering import add_tokens
from embeddings.encoders.text_windows import Rows
from embeddings.errors import TextTooLong

Given = TypeVar("Given")
Made = TypeVar("Made")

MOST_THREADS = 32


def rows_of(
    answer: Answer,
    reading: Callable[[], Matrix],
    *,
    client: JsonClient,
    counter: TokenCounter,
    tokens: int,
) -> Rows:
    """The vectors of an answer, counted as spent, and checked by `reading`.

    Raises TextNotEmbeddable if the server cut the `tokens` that were sent, EncoderUnavailable
    if its answer cannot be right.
    """
    add_tokens(answer.tokens or 0)
    check_not_cut(counter, answer.tokens, tokens, server=client.server)
    try:
        vectors = reading()
    except InvalidResponse as error:
        raise client.nonsense(error) from error
    return Rows(vectors=vectors, scales=scales(counter, answer.tokens, tokens, len(vectors)))


Send: TypeAlias = Callable[[Sequence[str], int], Rows]  # texts, their tokens by our count


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most texts and tokens of one request (one text may be over), most requests at once."""

    items: int
    tokens: int
    threads: int


def send_all(texts: Sequence[str], lengths: Sequence[int], send: Send, limits: Limits) -> Rows:
    """One row per text, in order. `lengths` are the tokens of each text by our count.

    Raises TextTooLong for a text that the server refuses when it is alone.
    """

    def send_batch(batch: range) -> Rows:
        return _send_halving(texts, lengths, batch, send)

    answers = side_by_side(send_batch, list(batches(lengths, limits)), limits.threads)
    return _join(answers)


def side_by_side(call: Callable[[Given], Made], items: Sequence[Given], threads: int) -> list[Made]:
    """`call` of each item, in order, in the caller's context (its token meter, its log).

    The first error is raised, and what has not begun is not begun.
    """
    if len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items), MOST_THREADS)) as pool:
        futures = [pool.submit(copy_context().run, call, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def batches(lengths: Sequence[int], limits: Limits) -> Iterator[range]:
    """Consecutive texts that may go in one request."""
    first, tokens = 0, 0
    for index, length in enumerate(lengths):
        full = index - first == limits.items or tokens + length > limits.tokens
        if full and index > first:
            yield range(first, index)
            first, tokens = index, 0
        tokens += length
    if first < len(lengths):
        yield range(first, len(lengths))


def _send_halving(texts: Sequence[str], lengths: Sequence[int], batch: range, send: Send) -> Rows:
    """A request that is too large as a whole is sent in halves."""
    try:
        return send(texts[batch.start : batch.stop], sum(lengths[batch.start : batch.stop]))
    except TextTooLong:
        if len(batch) == 1:
            raise
    half = len(batch) // 2
    return _join(
        [_send_halving(texts, lengths, part, send) for part in (batch[:half], batch[half:])]
    )


def _join(answers: Sequence[Rows]) -> Rows:
    return Rows(
        vectors=np.concatenate([rows.vectors for rows in answers]),
        scales=np.concatenate([rows.scales for rows in answers]),
    )
