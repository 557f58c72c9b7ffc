"""`manage.py import_articles`: from a file to searchable, or nothing at all."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from embeddings.models import EntryState, IndexEntry
from kb.models import Article, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = '{"_id": "a", "title": "Refunds", "text": "Refunds take five days."}\n'


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A BEIR set of two articles."""
    other = '{"_id": "b", "title": "", "text": "A first line.\\nAnd a second."}\n'
    (tmp_path / "corpus.jsonl").write_text(GOOD + other)
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "How long?"}\n')
    return tmp_path


def run(*arguments: str | Path) -> tuple[str, str]:
    """Standard output and error."""
    out, err = StringIO(), StringIO()
    call_command("import_articles", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_import_into_a_new_workspace_until_searchable(corpus: Path) -> None:
    out, err = run(corpus, "--workspace", "w", "--publish", "--wait")
    assert "2 created, 0 updated, 0 unchanged, 2 published" in out
    assert "2 of 2 articles are searchable." in out
    assert "no workspace 'w'; it was made" in err
    assert IndexEntry.objects.filter(state=EntryState.EMBEDDED).count() == 2
    again, _ = run(corpus, "--workspace", "w", "--publish", "--wait", "--json")
    report = json.loads(again)
    assert (report["unchanged"], report["published"], report["searchable"]) == (2, 0, 2)


def test_refused_import_names_each_line_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + "{broken\n" + GOOD)
    err = StringIO()
    with pytest.raises(CommandError, match=r"2 faulty .*nothing was imported"):
        call_command("import_articles", str(path), "--workspace", "w", stderr=err)
    assert "a.jsonl line 2: broken JSON" in err.getvalue()
    assert "a.jsonl line 3: the external id 'a' is also that of a.jsonl line 1" in err.getvalue()
    assert not Workspace.objects.exists()


def test_skip_bad_imports_the_rest_and_reports(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + "{broken\n")
    out, err = run(path, "--workspace", "w", "--skip-bad")
    assert "1 created" in out
    assert "1 skipped" in out
    assert "skipped: a.jsonl line 2: broken JSON" in err


def test_unknown_workspace_is_an_error_when_it_must_exist(corpus: Path) -> None:
    with pytest.raises(CommandError, match="no workspace is called 'w'"):
        run(corpus, "--workspace", "w", "--no-create")
    assert not Article.objects.exists()


@pytest.mark.parametrize("slug", ["Not a slug", "x" * 64])
def test_workspace_that_cannot_be_made_imports_nothing(corpus: Path, slug: str) -> None:
    with pytest.raises(CommandError, match="no slug"):
        run(corpus, "--workspace", slug)
    assert not Article.objects.exists()


def test_path_that_is_not_there_is_one_line() -> None:
    with pytest.raises(CommandError, match="There is no file or folder"):
        run("/nowhere", "--workspace", "w")
    assert not Workspace.objects.exists()
