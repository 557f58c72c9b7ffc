"""Why the articles that are left in a version stand still, the likeliest reason first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from embeddings.filling.pacing import bulk_wait, night_wait
from embeddings.models import EntryState, IndexEntry, IndexVersion, WorkerHeartbeat
from embeddings.models.entry import IndexEntryQuerySet
from embeddings.watching.waits import Wait, WaitKind

# Something was embedded so short a time ago: it moves.
MOVING = timedelta(seconds=15)
SILENT_AFTER = timedelta(seconds=60)
START_WORKER = (
    "Start one with `celery -A config worker -Q interactive,bulk --pool=threads -c 2` "
    "(docs/operating.md)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is not embedded in one version at one time, and when anything last was."""

    version: IndexVersion
    now: datetime
    bulk: int
    edits: int
    last: datetime | None

    @property
    def articles(self) -> int:
        """What people published, and the rest."""
        return self.bulk + self.edits

    @property
    def moves(self) -> bool:
        """Something was embedded a moment ago."""
        return self.last is not None and self.now - self.last < MOVING

    @property
    def moved_at(self) -> datetime:
        """When anything last happened."""
        return self.last or self.version.created_at

    @property
    def entries(self) -> IndexEntryQuerySet:
        """Of published revisions."""
        return IndexEntry.objects.filter(index_version=self.version).current()

    @property
    def held(self) -> IndexEntryQuerySet:
        """By workers whose lease has not run out."""
        return self.entries.filter(state=EntryState.EMBEDDING, lease_until__gte=self.now)


def left_in(version: IndexVersion, now: datetime) -> Left:
    """Three counts."""
    entries = IndexEntry.objects.filter(index_version=version)
    unfinished = entries.unfinished().current().order_by()
    return Left(
        version=version,
        now=now,
        bulk=unfinished.filter(bulk=True).count(),
        edits=unfinished.filter(bulk=False).count(),
        last=entries.aggregate(last=Max("embedded_at"))["last"],
    )


def why_nothing_moves(left: Left) -> Wait | None:
    """None: a worker will take it up any moment."""
    if not left.held.exists() and (silent := no_worker(left.now)):
        return silent
    reasons: tuple[Callable[[Left], Wait | None], ...] = (
        _outside_its_hours,
        _over_its_limit,
        _encoder_away,
        _in_hand,
        _due_later,
        _stalled,
    )
    return next((wait for reason in reasons if (wait := reason(left))), None)


def no_worker(now: datetime) -> Wait | None:
    """None: one is alive."""
    seen = WorkerHeartbeat.objects.aggregate(seen=Max("seen_at"))["seen"]
    if seen is not None and now - seen < SILENT_AFTER:
        return None
    heard = f"for {(now - seen).total_seconds():,.0f} s" if seen else "yet"
    return Wait(
        kind=WaitKind.NO_WORKER, text=f"No worker has been heard of {heard}. {START_WORKER}"
    )


def _outside_its_hours(left: Left) -> Wait | None:
    wait = night_wait(left.version, now=left.now)
    if left.edits or not wait:
        return None
    begins, ends = left.version.night_from, left.version.night_until
    return Wait(
        kind=WaitKind.NIGHT,
        text=f"Outside its hours ({begins:%H:%M} to {ends:%H:%M}): "
        f"it goes on at {at(left.now + wait)}.",
    )


def _over_its_limit(left: Left) -> Wait | None:
    wait, limit = bulk_wait(left.version, now=left.now), left.version.tokens_per_second
    if left.edits or not wait or not limit:
        return None
    return Wait(
        kind=WaitKind.SPEED_LIMIT,
        text=f"Held back by its limit of {limit:,} tokens/s until {at(left.now + wait)}.",
    )


def _encoder_away(left: Left) -> Wait | None:
    """Articles given back without an attempt counted are nobody's fault but the encoder's."""
    released = left.entries.filter(state=EntryState.PENDING, attempts=0).exclude(reason="")
    entry = released.order_by("due_at").first()
    if entry is None:
        return None
    due = max(entry.due_at, left.now)
    return Wait(
        kind=WaitKind.ENCODER,
        text=f"The encoder {left.version.encoder!r} cannot be used: {entry.reason} "
        f"Tried again from {at(due)}, at the latest {settings.SWEEP_SECONDS} s later.",
    )


def _in_hand(left: Left) -> Wait | None:
    """Not for what was taken up a moment ago."""
    held = left.held
    names = sorted(set(held.order_by().values_list("worker", flat=True)))
    if not names or left.now - max(left.moved_at, left.version.state_since) < MOVING:
        return None
    return Wait(
        kind=WaitKind.IN_HAND,
        text=f"{held.count():,} of {left.articles:,} articles left are in hand at "
        f"{', '.join(names)}; nothing was finished since {at(left.moved_at)}.",
    )


def _due_later(left: Left) -> Wait | None:
    if left.entries.waiting().exists():
        return None
    entry = left.entries.filter(state=EntryState.PENDING).order_by("due_at").first()
    if entry is None:
        return None
    return Wait(
        kind=WaitKind.DUE_LATER,
        text=f"{left.articles:,} articles failed and are tried again from {at(entry.due_at)}; "
        f"the first: {entry.reason or 'no reason was recorded.'}",
    )


def _stalled(left: Left) -> Wait | None:
    """Two sweeps would have nudged it; what came in since is not held against it."""
    due = left.entries.waiting().aggregate(last=Max("due_at"))["last"] or left.now
    since = max(left.moved_at, left.version.state_since, due, left.version.bulk_free_at or due)
    if left.now - since < MOVING:
        return None
    if left.now - since < timedelta(seconds=2 * settings.SWEEP_SECONDS):
        text = f"{left.articles:,} articles wait for a worker to take them up, within a minute."
        return Wait(kind=WaitKind.TAKE_UP, text=text)
    return Wait(
        kind=WaitKind.STALLED,
        text=f"Stalled: {left.articles:,} articles are due and workers are alive, but nothing "
        f"happened since {at(since)}. Is there a worker for the queue bulk? Its log says why.",
    )


def at(moment: datetime) -> str:
    """Of today by the clock, of another day with its date; the server's TIME_ZONE."""
    local = timezone.localtime(moment)
    today = local.date() == timezone.localtime().date()
    return f"{local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M}"
