"""The other frameworks: their environment, and one process of it for each corpus."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.retrieval.exchange import PeerAnswer, PeerRequest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")
DEFAULT_PYTHON = ROOT / ".data" / "peers" / "bin" / "python"
SYSTEMS = ("llama-index", "haystack")
CHUNKS = 100  # asked for, so that the best chunks' articles are at least ten
QUIET = {
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}


class PeersMissing(Exception):
    """The frameworks are not installed: python -m benchmarks.retrieval install-peers."""


def install_peers(python: Path) -> None:
    """An environment whose interpreter is `python`, with the pinned frameworks; may run twice."""
    folder = python.parent.parent
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)]
    subprocess.run(install, check=True)


def require_peers(python: Path) -> None:
    """Raises PeersMissing."""
    if not python.exists():
        raise PeersMissing(PeersMissing.__doc__)


def ask_peer(
    system: str, *, python: Path, model: Path, corpus: Path, queries: dict[str, str],
    cache: Path | None,
) -> PeerAnswer:  # fmt: skip
    """Embed and ask in a process of its own."""
    request = PeerRequest(
        system=system,
        model=str(model),
        corpus=str(corpus.resolve()),
        queries=queries,
        chunks=CHUNKS,
        cache=str(cache.resolve()) if cache else None,
    )
    with tempfile.TemporaryDirectory(prefix="unabridged-bench-") as folder:
        asked, answered = Path(folder, "request.json"), Path(folder, "answer.json")
        request.write(asked)
        command = [str(python), "-m", "benchmarks.retrieval.peers", str(asked), str(answered)]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | QUIET)
        return PeerAnswer.read(answered)
