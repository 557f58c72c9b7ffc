"""Measuring a candidate on a workspace's own articles: its tokens, its speed here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from embeddings.encoders.base import Document, Encoder
from embeddings.errors import TextNotEmbeddable
from kb.models import Article, Revision, Workspace

# All articles are counted up to these; of more an even sample, which says so.
COUNT_MOST = 3_000
COUNT_SECONDS = 10.0
COUNT_AT_ONCE = 100
PROBE_SECONDS = 5.0
PROBE_CHARACTERS = 2_000  # of the first batch; each that follows is twice as large
PROBE_LARGEST = 40_000
WARM_UP = "Is everything warm?"
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Tokens of one article's body and title, and its length in characters."""

    revision_id: int
    body: int
    title: int
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What some real articles took: one process, as it is now."""

    articles: int
    tokens: int
    passages: int
    seconds: float
    revision_ids: frozenset[int]

    @property
    def tokens_per_second(self) -> float:
        """Without the loading of the weights."""
        return self.tokens / max(self.seconds, 1e-9)


def published_ids(workspace: Workspace) -> list[int]:
    """Published revisions, in an order of which every beginning is spread evenly over them."""
    published = Article.objects.in_workspace(workspace).published()
    ids = list(published.order_by("pk").values_list("published_revision_id", flat=True))
    places = range(len(ids))
    return [int(ids[place] or 0) for place in sorted(places, key=lambda n: n * GOLDEN % 1)]


def count_articles(encoder: Encoder, revision_ids: Sequence[int]) -> list[Counted]:
    """With the encoder's own tokenizer; at most COUNT_MOST, for at most COUNT_SECONDS."""
    deadline = time.monotonic() + COUNT_SECONDS
    counted: list[Counted] = []
    for texts in _texts(revision_ids[:COUNT_MOST], COUNT_AT_ONCE):
        bodies = encoder.count_tokens([revision.body for revision in texts])
        titles = encoder.count_tokens([revision.title for revision in texts])
        for revision, body, title in zip(texts, bodies, titles, strict=True):
            counted.append(
                Counted(
                    revision_id=revision.pk,
                    body=body,
                    title=title,
                    characters=len(revision.body),
                )
            )
        if time.monotonic() > deadline:
            break
    return counted


def probe_speed(encoder: Encoder, counted: Sequence[Counted]) -> Probe | None:
    """Embed some of the articles, in growing batches, for some seconds; None if none would do.

    The weights are loaded before the clock runs. Raises EncoderUnavailable.
    """
    encoder.encode_queries([WARM_UP])
    begun = time.monotonic()
    articles = tokens = passages = 0
    done: set[int] = set()
    for batch in _batches(counted):
        started = time.monotonic()
        try:
            embedded = encoder.encode_documents([_document(revision) for revision in batch])
        except TextNotEmbeddable:
            continue
        articles, tokens = articles + len(batch), tokens + sum(each.tokens for each in embedded)
        passages += sum(len(each.passages) for each in embedded)
        done |= {revision.pk for revision in batch}
        # The next one is twice as large: it has to fit into what is left.
        if time.monotonic() - begun + 2 * (time.monotonic() - started) > PROBE_SECONDS:
            break
    seconds = time.monotonic() - begun
    if not tokens:
        return None
    return Probe(
        articles=articles,
        tokens=tokens,
        passages=passages,
        seconds=seconds,
        revision_ids=frozenset(done),
    )


def _batches(counted: Sequence[Counted]) -> Iterator[list[Revision]]:
    """The first of short articles, since a pass that has begun cannot be stopped."""
    left, size = list(counted), PROBE_CHARACTERS
    while left:
        taken, room = list[Counted](), size
        for each in left:
            if each.characters <= room:
                taken.append(each)
                room -= each.characters
        if not taken:
            taken = [min(left, key=lambda each: each.characters)]
        chosen = {each.revision_id for each in taken}
        left = [each for each in left if each.revision_id not in chosen]
        yield next(_texts(sorted(chosen), len(chosen)))
        size = min(2 * size, PROBE_LARGEST)


def _texts(revision_ids: Sequence[int], at_once: int) -> Iterator[list[Revision]]:
    for first in range(0, len(revision_ids), at_once):
        part = list(revision_ids[first : first + at_once])
        texts = Revision.objects.filter(pk__in=part).only("title", "body", "language")
        yield list(texts.order_by("pk"))


def _document(revision: Revision) -> Document:
    return Document(title=revision.title, body=revision.body, language=revision.language)
