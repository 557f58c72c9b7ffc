"""The house keeps its shape, and its documents say what is true."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 400
P90_FUNCTION_LINES = 30
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
CODE_PATH = re.compile(
    r"`((?:kb|chat|embeddings|config|tests|benchmarks|docs|bin)/[\w./-]*\w/?)(?::\w+)?`"
)


def tracked(*patterns: str) -> list[Path]:
    """Files that git has, or would have."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listing.stdout.split("\n") if name and (path := ROOT / name).exists()]


def modules() -> list[Path]:
    """Our code, without migrations."""
    return [path for path in tracked("*.py") if "migrations" not in path.parts]


def test_no_module_is_too_long_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := path.read_text().count("\n")) > MAX_LINES
    }
    assert not long


def test_functions_stay_short() -> None:
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        if "tests" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    )
    assert statistics.median(lengths) <= 10
    assert lengths[int(0.9 * len(lengths))] <= P90_FUNCTION_LINES


@pytest.mark.parametrize("document", tracked("*.md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_files_that_exist(document: Path) -> None:
    text = document.read_text()
    linked = [document.parent / link for link in LINK.findall(text)]
    named = [ROOT / path for path in CODE_PATH.findall(text)]
    if "sample" in document.parts:
        named = []  # the sample help centre speaks of another product
    missing = [str(path) for path in [*linked, *named] if not path.exists()]
    assert not missing


def test_architecture_names_the_files_of_the_journeys() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in (
        "embeddings/filling/loop.py",
        "embeddings/filling/store.py",
        "chat/retrieval/pipeline.py",
    ):
        assert f"../{name}" in text


def test_every_setting_is_in_the_operators_table() -> None:
    from config.env import Environment

    text = (ROOT / "docs" / "operating.md").read_text()
    missing = [name.upper() for name in Environment.model_fields if name.upper() not in text]
    assert not missing


def test_no_machine_paths_in_the_repository() -> None:
    needles = ("/wo" + "rk/", "/ro" + "ot/")
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml", ".yml", ".txt", ".in", ""} and path.is_file()
        if any(needle in path.read_text(errors="ignore") for needle in needles)
    ]
    assert not found
