"""Checks every item first, then stores in batches; importing twice is the same as once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import User

from kb.importing.batches import Outcome, store_batch
from kb.importing.checking import Checked, accept_import
from kb.importing.collections import ensure_collections
from kb.importing.items import Reading
from kb.models import Workspace

BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """Articles stored so far, of how many."""

    done: int
    total: int


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    `skipped` counts faulty items and `problems` says why; `ignored` names files that are no
    articles; `left_archived` counts articles that were updated but stay archived.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    published: int = 0
    left_archived: int = 0
    skipped: int = 0
    ignored: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a batch that was committed."""
        self.created += outcome.created
        self.updated += outcome.updated
        self.unchanged += outcome.unchanged
        self.published += outcome.published
        self.left_archived += outcome.left_archived


def import_articles(
    workspace: Workspace,
    readings: Iterable[Reading],
    *,
    publish: bool = False,
    skip_bad: bool = False,
    author: User | None = None,
    on_progress: Callable[[ImportProgress], None] | None = None,
) -> ImportReport:
    """Store what was read, and publish it if asked to.

    Everything is checked before anything is stored: any problem is ImportRefused, which names
    them all, and nothing is imported; with `skip_bad` the others are. Each batch is one
    transaction, so an import that was killed can simply be run again. Archived articles are
    updated but stay archived: somebody took them out on purpose.
    """
    checked = accept_import(workspace, readings, skip_bad=skip_bad)
    report = _report_of(checked)
    items = list(checked.items.values())
    collections = ensure_collections(workspace, items)
    for first in range(0, len(items), BATCH):
        batch = items[first : first + BATCH]
        outcome = store_batch(
            workspace, batch, collections=collections, publish=publish, author=author
        )
        report.add(outcome)
        if on_progress:
            on_progress(ImportProgress(done=first + len(batch), total=len(items)))
    return report


def _report_of(checked: Checked) -> ImportReport:
    return ImportReport(
        skipped=len(checked.problems),
        problems=[str(problem) for problem in checked.problems],
        ignored=[ignored.origin for ignored in checked.ignored],
    )
