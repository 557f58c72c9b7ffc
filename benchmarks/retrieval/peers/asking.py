"""Embeds a corpus with a framework, unless a cache has it, and asks it every question."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from benchmarks.retrieval.exchange import PeerAnswer, PeerRequest
from benchmarks.retrieval.peers.base import PeerArticle, PeerIndex
from benchmarks.retrieval.ranking import best_chunk_ranking

SECONDS = "embed_seconds.json"
WARM_UP = "How does this work?"


def answer(request: PeerRequest, index: PeerIndex) -> PeerAnswer:
    """What `request` asks for; `index` is empty and gets filled."""
    versions = {name: version(name) for name in index.packages}
    seconds = fill(index, request, versions)
    index.search(WARM_UP, chunks=request.chunks)
    rankings, milliseconds = {}, []
    for query, text in request.queries.items():
        started = time.perf_counter()
        found = index.search(text, chunks=request.chunks)
        milliseconds.append(1000 * (time.perf_counter() - started))
        rankings[query] = best_chunk_ranking(found)
    return PeerAnswer(
        rankings=rankings,
        milliseconds=milliseconds,
        chunks=index.count(),
        embed_seconds=seconds,
        versions=versions,
    )


def fill(index: PeerIndex, request: PeerRequest, versions: dict[str, str]) -> float:
    """Seconds that embedding took, now or when the cache was made."""
    folder = _cache_folder(request, versions)
    if folder and (folder / SECONDS).exists():
        index.load(folder)
        return float(json.loads((folder / SECONDS).read_text()))
    articles = list(read_articles(Path(request.corpus)))
    started = time.perf_counter()
    index.build(articles)
    seconds = time.perf_counter() - started
    if folder:
        index.save(folder)
        (folder / SECONDS).write_text(json.dumps(seconds))  # last: says that all is there
    return seconds


def read_articles(corpus: Path) -> Iterator[PeerArticle]:
    """Of a BEIR corpus; the title stands above the text."""
    for line in corpus.read_text().split("\n"):
        if line.strip():
            entry = json.loads(line)
            parts = [entry.get("title") or "", entry["text"]]
            text = "\n\n".join(part for part in parts if part)
            yield PeerArticle(id=str(entry["_id"]), text=text)


def _cache_folder(request: PeerRequest, versions: dict[str, str]) -> Path | None:
    """One for each system, its versions, weights and corpus."""
    if request.cache is None:
        return None
    seen = hashlib.sha256(Path(request.corpus).read_bytes())
    for file in sorted(Path(request.model).rglob("*")):
        if file.is_file():
            seen.update(file.read_bytes())
    seen.update(json.dumps([request.system, versions]).encode())
    return Path(request.cache) / f"{request.system}-{seen.hexdigest()[:16]}"
