"""What the commands of all apps share: domain errors become one line and a non-zero exit."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from kb.errors import DomainError, ImportRefused
from kb.models import Workspace

MAX_PROBLEMS = 50


class DomainCommand(BaseCommand):
    """Subclasses implement `run`; what it raises of ours is told in one line."""

    def handle(self, *_: Any, **options: Any) -> None:
        """Run, and translate errors."""
        try:
            self.run(**options)
        except ImportRefused as error:
            for problem in error.problems[:MAX_PROBLEMS]:
                self.stderr.write(problem)
            count = len(error.problems)
            raise CommandError(
                f"{count} faulty item(s), nothing was imported; mend them or use --skip-bad."
            ) from error
        except DomainError as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"the database is away: {error}".splitlines()[0]) from error
        except ProgrammingError as error:
            reason = str(error).splitlines()[0]
            raise CommandError(f"run `manage.py migrate` first, or bin/manage: {reason}") from error

    def run(self, *args: Any, **options: Any) -> None:
        """The command's work."""
        raise NotImplementedError


def find_workspace(slug: str) -> Workspace:
    """Raises CommandError that lists what there is."""
    workspace = Workspace.objects.filter(slug=slug).first()
    if workspace is None:
        known = ", ".join(Workspace.objects.values_list("slug", flat=True)[:10]) or "none yet"
        raise CommandError(f"no workspace is called {slug!r}; there are: {known}")
    return workspace
