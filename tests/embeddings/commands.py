"""Typing commands on index versions, and what workers and the gate do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from embeddings.filling.loop import embed_pending
from embeddings.filling.settling import settle
from embeddings.models import IndexVersion, WorkerHeartbeat
from kb.models import Workspace
from tests.embeddings.versions import allowed
from tests.factories import live, make_article

REFUSED = [
    {"text": "How do I pay?", "difference": -0.75, "key": "q1"},
    {"question": "Can I cancel?", "difference": -0.5},
    {"key": "q3"},
]


@pytest.fixture
def acme(workspace: Workspace) -> Workspace:
    """Three embedded articles, and a worker that is alive."""
    for number in range(3):
        make_article(workspace, title=f"Title {number}", body="word " * 10)
    embed_pending(live(workspace))
    WorkerHeartbeat.objects.create(worker="celery@host", seen_at=timezone.now())
    return workspace


class Steps:
    """Stands in for `time`: while the command sleeps, somebody else takes the next step."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps: Iterator[Callable[[], object]] = iter(steps)
        self._now = 0.0

    def monotonic(self) -> float:
        """Seconds slept so far."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Whatever comes next; after the last step, nothing."""
        self._now += seconds
        next(self._steps, lambda: None)()


def run(*arguments: object) -> str:
    """Standard output."""
    return both(*arguments)[0]


def both(*arguments: object) -> tuple[str, str]:
    """Standard output and standard error."""
    out, err = StringIO(), StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def failed(*arguments: object) -> tuple[CommandError, str]:
    """The one line that it ended with, and what stood on standard error before."""
    err = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(*map(str, arguments), stdout=StringIO(), stderr=err)
    assert "\n" not in str(caught.value)
    return caught.value, err.getvalue()


def second(workspace: Workspace) -> IndexVersion:
    """The version that was started."""
    return workspace.index_versions.select_related("workspace").get(number=2)


def work(workspace: Workspace) -> Callable[[], object]:
    """What a worker does with the second version."""

    def step() -> None:
        embed_pending(second(workspace))
        settle(second(workspace))

    return step


def judge(workspace: Workspace, *, yes: bool = True) -> Callable[[], object]:
    """What the gate does with it."""

    def step() -> None:
        verdict = allowed(second(workspace), live(workspace), yes=yes)
        verdict.worst = [] if yes else REFUSED
        verdict.save()

    return step
