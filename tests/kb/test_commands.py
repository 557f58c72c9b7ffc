"""Commands: one line on success, one line and status 1 on failure."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from kb.importing import import_articles, read_items
from kb.models import Article, Workspace
from tests.factories import make_article, make_workspace


def run(*arguments: str | Path) -> str:
    """Standard output of a command."""
    out = StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=StringIO())
    return out.getvalue().strip()


@pytest.mark.django_db
def test_create_workspace_and_a_key_that_works() -> None:
    assert run("create_workspace", "acme", "--name", "Acme", "--language", "de")
    workspace = Workspace.objects.get()
    assert (workspace.name, workspace.default_language) == ("Acme", "de")
    token = run("create_api_key", "--workspace", "acme", "--name", "k", "--scope", "articles:read")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get("/api/v1/articles/").status_code == 200
    assert client.post("/api/v1/articles/", {"title": "T", "body": "B"}).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["create_workspace", "Not a slug"], "no slug"),
        (["create_workspace", "taken"], "There is a workspace 'taken' already"),
        (["create_api_key", "--workspace", "x", "--name", "k", "--scope", "chat"], "called 'x'"),
        (["create_api_key", "--workspace", "taken", "--name", "k", "--scope", "all"], "invalid"),
        (["export_articles", "/nowhere/a.jsonl", "--workspace", "x"], "there are: taken"),
        (["export_articles", "/nowhere/a.jsonl", "--workspace", "taken"], "/nowhere"),
    ],
)
def test_failures_are_one_line(arguments: list[str], complaint: str) -> None:
    make_workspace("taken")
    with pytest.raises(CommandError, match=complaint) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)


def test_what_is_exported_can_be_imported(workspace: Workspace, tmp_path: Path) -> None:
    make_article(workspace, title="Ä", body="Line\u2028one.\n\nTwo.", language="de")
    internal = make_article(workspace, audience="internal", external_id="i", published=False)
    Article.objects.filter(pk=internal.pk).update(tags=["a"], source="wiki")
    assert run("export_articles", tmp_path / "a.jsonl", "--workspace", workspace.slug)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert len((tmp_path / "a.jsonl").read_bytes().split(b"\n")) == 3

    other = make_workspace()
    report = import_articles(other, read_items(tmp_path / "a.jsonl"))
    assert report.created == 2

    def texts(where: Workspace) -> list[tuple[object, ...]]:
        rows = Article.objects.in_workspace(where).order_by("pk")
        fields = ("title", "body", "language", "audience")
        latest = [f"latest_revision__{field}" for field in fields]
        return list(rows.values_list("tags", "source", *latest))

    assert texts(other) == texts(workspace)


def test_export_has_one_line_per_article(workspace: Workspace, tmp_path: Path) -> None:
    make_article(workspace, external_id="e")
    run("export_articles", tmp_path / "a.jsonl", "--workspace", workspace.slug)
    (line,) = (tmp_path / "a.jsonl").read_text().splitlines()
    exported = json.loads(line)
    assert (exported["external_id"], exported["state"]) == ("e", "published")
