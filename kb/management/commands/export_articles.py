"""`manage.py export_articles PATH.jsonl --workspace SLUG`."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path

from kb.commands import DomainCommand, find_workspace
from kb.errors import InvalidInput
from kb.models import Article


class Command(DomainCommand):
    """One JSON object a line, in the form that import_articles reads."""

    help = "Write the latest text of every article of a workspace to a JSONL file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, and from which workspace."""
        parser.add_argument("path", type=Path)
        parser.add_argument("--workspace", metavar="SLUG", required=True)

    def run(self, *, path: Path, workspace: str, **_: object) -> None:
        """Written beside, then renamed: never half a file under the name."""
        articles = Article.objects.in_workspace(find_workspace(workspace)).order_by("pk")
        articles = articles.select_related("latest_revision", "collection")
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        count = 0
        try:
            with draft.open("w", encoding="utf-8") as file:
                for article in articles.iterator(chunk_size=200):
                    file.write(json.dumps(_exported(article), ensure_ascii=False) + "\n")
                    count += 1
            draft.replace(path)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)
        self.stdout.write(f"{count} articles in {path}")


def _exported(article: Article) -> dict[str, object]:
    latest = article.latest_revision
    if latest is None:
        return {}
    return {
        "external_id": article.external_id or f"article-{article.pk}",
        "title": latest.title,
        "body": latest.body,
        "language": latest.language,
        "audience": latest.audience,
        "collection": article.collection.name if article.collection else None,
        "tags": article.tags,
        "source": article.source,
        "state": article.state,
    }
