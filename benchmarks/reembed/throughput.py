"""A whole re-embedding through a real worker against the bare encoder on the same articles."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.reembed.building import CANDIDATE, build, bulk_progress, discard
from benchmarks.reembed.site import workspace_of
from embeddings.encoders.base import Document, Encoder
from embeddings.encoders.registry import get_encoder
from embeddings.waiting import wait_until_searchable
from kb.models import Article, Workspace

AT_LEAST = 0.9
ROUNDS = 3
BATCH = 32


def measure_throughput(*, articles: int) -> dict[str, Any]:
    """Seconds of both, interleaved, and the ratio of their medians."""
    workspace = workspace_of("throughput", articles=articles)
    wait_until_searchable(workspace, timeout=600)
    encoder = get_encoder(CANDIDATE)
    documents = [
        Document(title=each.title, body=each.body)
        for article in Article.objects.published().select_related("published_revision")
        if (each := article.published_revision)
    ]
    encoder.encode_documents(documents[:BATCH])
    _warm_worker(workspace)
    bare, whole = [], []
    for _ in range(ROUNDS):
        bare.append(_bare(encoder, documents))
        started = time.monotonic()
        version = build(workspace)
        while bulk_progress(version) < len(documents):
            time.sleep(0.05)
        whole.append(time.monotonic() - started)
        discard(version)
    ratio = round(statistics.median(bare) / statistics.median(whole), 3)
    return {
        "articles": len(documents),
        "bare_seconds": [round(each, 2) for each in bare],
        "reembed_seconds": [round(each, 2) for each in whole],
        "reembed_to_bare": ratio,
        "limit": AT_LEAST,
        "kept": ratio >= AT_LEAST,
    }


def _bare(encoder: Encoder, documents: list[Document]) -> float:
    """In batches as the loop makes them; nothing else runs."""
    started = time.monotonic()
    for first in range(0, len(documents), BATCH):
        encoder.encode_documents(documents[first : first + BATCH])
    return time.monotonic() - started


def _warm_worker(workspace: Workspace) -> None:
    version = build(workspace)
    while bulk_progress(version) < BATCH:
        time.sleep(0.1)
    discard(version)
