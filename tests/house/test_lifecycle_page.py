"""The page about index versions shows the life that they have."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from embeddings.lifecycle import RECEIVING, STORED, VersionState, diagram

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "index-versions.md").read_text()
ROW = re.compile(
    r"^\| (\w+) \| (yes|no|when it is resumed) \| (yes|dropped) \| .+ \|$", re.MULTILINE
)


def test_the_diagram_is_that_of_the_code() -> None:
    [drawn] = re.findall(r"^```mermaid\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert drawn == diagram(), (
        "docs/index-versions.md shows another life than embeddings/lifecycle.py: replace its "
        "mermaid block with what `python -m embeddings.lifecycle` prints."
    )


def test_the_command_that_the_page_names_prints_it() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "embeddings.lifecycle"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == diagram()
    assert "`python -m embeddings.lifecycle`" in PAGE


def test_every_state_has_its_row() -> None:
    assert [state for state, _, _ in ROW.findall(PAGE)] == VersionState.values


@pytest.mark.parametrize(("state", "receives", "kept"), ROW.findall(PAGE))
def test_the_rows_say_who_receives_and_who_is_kept(state: str, receives: str, kept: str) -> None:
    assert (receives == "yes") == (state in RECEIVING)
    assert (receives == "when it is resumed") == (state == VersionState.PAUSED)
    assert (kept == "yes") == (state in STORED)
