"""What counts as changed code and as changed migrations."""

from __future__ import annotations

import os
from pathlib import Path

from config.runtime.fingerprints import code_fingerprint, migrations_fingerprint


def _write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_code_changes_with_edits_and_new_files(tmp_path: Path) -> None:
    module = _write(tmp_path / "kb" / "models.py")
    seen = {code_fingerprint(tmp_path)}
    os.utime(module, ns=(1, 2_000_000_000_000_000_000))
    seen.add(code_fingerprint(tmp_path))
    _write(tmp_path / "kb" / "views.py")
    seen.add(code_fingerprint(tmp_path))
    assert len(seen) == 3


def test_code_ignores_tests_and_hidden_folders(tmp_path: Path) -> None:
    _write(tmp_path / "kb" / "models.py")
    before = code_fingerprint(tmp_path)
    for folder in ("tests", ".venv/lib", ".data", "node_modules/x", "docs"):
        _write(tmp_path / folder / "module.py")
    assert code_fingerprint(tmp_path) == before


def test_migrations_change_with_content_and_pins_only(tmp_path: Path) -> None:
    migration = _write(tmp_path / "kb" / "migrations" / "0001_initial.py", "a")
    before = migrations_fingerprint(tmp_path)
    _write(tmp_path / "kb" / "views.py", "code")
    os.utime(migration)
    assert migrations_fingerprint(tmp_path) == before
    migration.write_text("b")
    edited = migrations_fingerprint(tmp_path)
    _write(tmp_path / "requirements.txt", "django==5.2.1")
    assert len({before, edited, migrations_fingerprint(tmp_path)}) == 3
