"""Short texts that change when the code or the migrations do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from config.runtime.paths import PROJECT_ROOT

SKIPPED = {"node_modules", "tests", "benchmarks", "docs", "staticfiles", "__pycache__"}


def code_fingerprint(root: Path = PROJECT_ROOT) -> str:
    """The number of Python files and the newest change among them; tests do not count."""
    changes = [path.stat().st_mtime_ns for path in _python_files(root)]
    return f"{len(changes)}:{max(changes, default=0)}"


def migrations_fingerprint(root: Path = PROJECT_ROOT) -> str:
    """A hash of our migrations and of the pinned packages, which bring theirs."""
    digest = hashlib.sha256()
    ours = sorted(path for path in _python_files(root) if path.parent.name == "migrations")
    for path in (*ours, root / "requirements.txt"):
        if path.exists():
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _python_files(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in SKIPPED and not name.startswith(".")]
        yield from (Path(folder, file) for file in files if file.endswith(".py"))
