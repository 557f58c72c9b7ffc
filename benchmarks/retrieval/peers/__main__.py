"""One framework, one corpus: `python -m benchmarks.retrieval.peers REQUEST.json ANSWER.json`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.retrieval.exchange import PeerRequest
from benchmarks.retrieval.peers.asking import answer
from benchmarks.retrieval.peers.base import PeerIndex

SYSTEMS = {
    "llama-index": ("benchmarks.retrieval.peers.with_llama_index", "LlamaIndexPeer"),
    "haystack": ("benchmarks.retrieval.peers.with_haystack", "HaystackPeer"),
}


def main() -> None:
    """Only the framework asked for is imported."""
    request = PeerRequest.read(Path(sys.argv[1]))
    module, name = SYSTEMS[request.system]
    make: type[PeerIndex] = getattr(importlib.import_module(module), name)
    answer(request, make(request.model)).write(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
