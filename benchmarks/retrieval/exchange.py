"""What the benchmark and a framework's process tell each other, as JSON files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRequest:
    """Index `corpus` (BEIR) with the encoder in the folder `model`, then ask `queries`.

    `chunks` is how many are asked for; `cache` is a folder that keeps embedded corpora, or
    nothing.
    """

    system: str
    model: str
    corpus: str
    queries: dict[str, str]
    chunks: int
    cache: str | None = None

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAnswer:
    """Rankings of articles by question, best first; milliseconds of each whole question.

    `embed_seconds` is what splitting, encoding and storing took, or had taken for a cache.
    """

    rankings: dict[str, list[str]]
    milliseconds: list[float]
    chunks: int
    embed_seconds: float
    versions: dict[str, str]

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        return cls(**json.loads(path.read_text()))
