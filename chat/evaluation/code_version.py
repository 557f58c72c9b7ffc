"""Which code a run was made with."""

from __future__ import annotations

import subprocess
from functools import cache

from django.conf import settings

SECONDS = 5


@cache
def code_version() -> str:
    """The commit, with "-dirty" for changed files; empty where there is no git (an image)."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        told = subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()[:80]
