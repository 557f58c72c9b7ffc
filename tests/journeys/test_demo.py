"""The stranger's first minute: everything from nothing, three grounded answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def run(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """manage.py on servers of its own, started by it."""
    env = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**env, "UNABRIDGED_DATA_DIR": str(data_dir), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_demo_answers_three_questions_with_verbatim_quotes_and_cleans_up(tmp_path: Path) -> None:
    demo = run(tmp_path, "demo", "--check")
    assert demo.returncode == 0, demo.stderr
    assert demo.stdout.count("\nQ  ") == 3
    assert demo.stdout.count(", verbatim") >= 3
    assert "NOT FOUND" not in demo.stdout
    token = re.search(r"ub_\S+", demo.stdout)
    password = re.search(r"admin / (\S+)", demo.stdout)
    assert token
    assert password
    logs = "".join(path.read_text(errors="replace") for path in (tmp_path / "log").glob("*.log"))
    assert token.group() not in logs
    assert password.group(1) not in logs
    status = run(tmp_path, "runtime", "status").stdout
    assert "process" not in status
