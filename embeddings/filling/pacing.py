"""When bulk work of a version may run: its speed limit and its hours.

The limit is kept in the row, so that it holds for all workers together: each batch moves
`bulk_free_at` on by the time that its tokens may take. Both are the build's: once the version
is ready, what is imported into it is not held back any more.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.db import connection
from django.utils import timezone

from embeddings.models import IndexVersion, VersionState

# A batch under a speed limit is at most what the limit lets through in so many seconds.
BATCH_SECONDS = 2
CHARACTERS_PER_TOKEN = 4


def bulk_wait(version: IndexVersion, *, now: datetime | None = None) -> timedelta:
    """How long bulk work has to wait by the version's row as it is here; zero: it may run."""
    now = now or timezone.now()
    if not _paced(version):
        return timedelta(0)
    until_free = (version.bulk_free_at or now) - now
    return max(until_free, night_wait(version, now=now), timedelta(0))


def charge(version: IndexVersion, *, tokens: int, since: datetime | None = None) -> None:
    """Count a batch of bulk work that began then (None: now) against the speed limit, if there
    is one: the time that it took is part of the time that it may take."""
    if not version.tokens_per_second or not _paced(version):
        return
    seconds = tokens / version.tokens_per_second
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE embeddings_indexversion"
            " SET bulk_free_at = greatest(bulk_free_at, %s) + make_interval(secs => %s)"
            " WHERE id = %s",
            [since or timezone.now(), seconds, version.pk],
        )


def batch_characters(version: IndexVersion, usual: int) -> int:
    """How large a batch of bulk work may be; at least an article is always taken."""
    if not version.tokens_per_second or not _paced(version):
        return usual
    return min(usual, version.tokens_per_second * BATCH_SECONDS * CHARACTERS_PER_TOKEN)


def night_wait(version: IndexVersion, *, now: datetime) -> timedelta:
    """How long until its hours begin; zero within them, or when there are none."""
    begins, ends = version.night_from, version.night_until
    if begins is None or ends is None or not _paced(version):
        return timedelta(0)
    local = timezone.localtime(now)
    if _within(local.time(), begins, ends):
        return timedelta(0)
    opens = local.replace(
        hour=begins.hour, minute=begins.minute, second=begins.second, microsecond=0
    )
    opens = opens if opens > local else opens + timedelta(days=1)
    return opens.astimezone(UTC) - now  # clocks may be put back or forward in between


def _paced(version: IndexVersion) -> bool:
    return version.state == VersionState.BUILDING


def _within(at: time, begins: time, ends: time) -> bool:
    if begins < ends:
        return begins <= at < ends
    return at >= begins or at < ends
