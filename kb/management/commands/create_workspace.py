"""`manage.py create_workspace SLUG [--name NAME] [--language xx]`."""

from __future__ import annotations

from argparse import ArgumentParser

from kb.commands import DomainCommand
from kb.languages import Language
from kb.services import create_workspace


class Command(DomainCommand):
    """A tenant with an empty live index."""

    help = "Create a workspace."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Slug, name, language."""
        parser.add_argument("slug")
        parser.add_argument("--name", default="")
        parser.add_argument("--language", default=Language.ENGLISH.value, choices=Language.values)

    def run(self, *, slug: str, name: str, language: str, **_: object) -> None:
        """Make it and say so."""
        workspace = create_workspace(slug=slug, name=name, default_language=language)
        self.stdout.write(f"Workspace {workspace.slug!r} is there.")
