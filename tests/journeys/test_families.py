"""Each family by its name: import articles, ask, get an answer with its very sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from embeddings.models import IndexEntry, IndexVersion, TokenSpend
from kb.models import Article
from tests.families import MEANINGFUL, SERVED, TINY, all_encoders

pytestmark = pytest.mark.django_db(transaction=True)

ARTICLES = {
    "refunds": "# Refunds\n\nA refund is paid to the card within five days. Ask support for more.",
    "calendar": "# Calendar\n\nConnect the calendar in the settings of your account. " * 40,
    "größe": "# Größe\n\nDie Größe steht auf dem Etikett. 日本語の文章です。 😀",
}


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """Settings of all encoders."""
    with all_encoders(tmp_path_factory.mktemp("families")) as encoders:
        yield encoders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small help centre."""
    for name, text in ARTICLES.items():
        (tmp_path / f"{name}.md").write_text(text)
    return tmp_path


def run(command: str, *arguments: str | Path) -> str:
    """Standard output."""
    out = StringIO()
    call_command(command, *map(str, arguments), stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.parametrize("alias", [*MEANINGFUL[2:], *TINY, *SERVED])
def test_import_then_ask(
    alias: str, settings: Settings, configured: dict[str, dict[str, Any]], folder: Path
) -> None:
    settings.ENCODERS = configured
    workspace = ("--workspace", "w")
    out = run("import_articles", folder, *workspace, "--publish", "--wait", "--encoder", alias)
    assert "3 of 3 articles are searchable." in out
    version = IndexVersion.objects.get()
    assert (version.encoder, version.strategy) == (alias, configured[alias]["STRATEGY"])
    for entry in IndexEntry.objects.all():
        assert entry.covered_characters == len(entry.revision.body)
    answer = json.loads(run("ask", "refund paid to the card", *workspace, "--json"))
    assert answer["trace_id"]
    assert not answer["abstained"]
    article = Article.objects.get(external_id="refunds")
    quoted = next(each for each in answer["citations"] if each["article_id"] == article.pk)
    revision = article.published_revision
    assert revision is not None
    assert revision.body[quoted["start"] : quoted["end"]] == quoted["quote"]
    assert TokenSpend.objects.filter(tokens__gt=0).exists() == (alias in {"jina-api", "remote"})


def test_another_encoder_for_an_indexed_workspace_is_refused(folder: Path) -> None:
    run("import_articles", folder, "--workspace", "w", "--publish", "--wait")
    with pytest.raises(CommandError, match="indexed with 'hash'"):
        run("import_articles", folder, "--workspace", "w", "--encoder", "hash-wide")


def test_an_encoder_that_is_not_usable_leaves_nothing(settings: Settings, folder: Path) -> None:
    entry = {"BACKEND": "embeddings.encoders.models.jina_v3.jina_v3", "STRATEGY": "whole_late"}
    broken = entry | {"OPTIONS": {"checkpoint": str(folder)}}
    settings.ENCODERS = {**settings.ENCODERS, "broken": broken}
    with pytest.raises(CommandError, match=r"config\.json cannot be read"):
        run("import_articles", folder, "--workspace", "w", "--encoder", "broken")
    assert not Article.objects.exists()
    assert not IndexVersion.objects.exists()
