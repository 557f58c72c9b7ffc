"""Encoders loaded before they are asked for, in every process that answers questions.

A thread of each web process loads the encoder of every version that is live, or may be next
(ready, standby), and says in a row which it has; a cut-over waits for these rows.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Lock, Thread

import structlog
from django.db import DatabaseError, connection
from django.db.models import Case, When
from django.utils import timezone

from embeddings.lifecycle import CANDIDATES, VersionState
from embeddings.live import encoder_of
from embeddings.models import IndexVersion, ServingProcess
from kb.errors import DomainError

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
FORGET_AFTER = timedelta(hours=1)
PROBE = "Is everything warm?"


class Warmer:
    """Keeps the encoders of one process warm; `name` is the process in its row."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._warm: set[str] = set()
        self._problem = ""
        self._stop = Event()

    def run(self) -> None:
        """Until stopped; a database that is away is waited for."""
        with ThreadPoolExecutor(1, thread_name_prefix="warm-up") as pool:
            loading = pool.submit(self._load)
            while not self._stop.wait(POLL_SECONDS):
                if loading.done():
                    loading = pool.submit(self._load)
                self._say()

    def look(self) -> None:
        """Load what is missing, and say what there is."""
        self.load_missing()
        self._tell()

    def load_missing(self) -> None:
        """Load and try the encoders that are not warm yet."""
        problems = [self._warm_up(each) for each in _encoders()]
        self._problem = "; ".join(filter(None, problems))[:2000]

    def stop(self) -> None:
        """Before the process ends."""
        self._stop.set()

    def _warm_up(self, version: IndexVersion) -> str:
        """What is wrong, or nothing."""
        if version.warm_as in self._warm:
            return ""
        try:
            encoder_of(version).encode_queries([PROBE])
        except DomainError as error:
            return f"{version.encoder}: {error}"
        except DatabaseError:
            raise
        except Exception as error:
            log.exception("encoder_not_warm", encoder=version.encoder)
            return f"{version.encoder}: {error!r}"
        self._warm.add(version.warm_as)
        return ""

    def _load(self) -> None:
        """In a thread of its own: it may take a minute, in which the process must be heard of."""
        _guarded(self.load_missing)

    def _say(self) -> None:
        _guarded(self._tell)

    def _tell(self) -> None:
        ServingProcess.objects.update_or_create(
            name=self.name,
            defaults={
                "seen_at": timezone.now(),
                "fingerprints": sorted(self._warm),
                "problem": self._problem,
            },
        )


_lock = Lock()
_running: Warmer | None = None


def start_warming() -> None:
    """Once per process that answers questions; the thread ends with it."""
    global _running  # noqa: PLW0603 - one per process
    with _lock:
        if _running is None:
            _running = Warmer(f"{socket.gethostname()}:{os.getpid()}")
            Thread(target=_running.run, name="warming", daemon=True).start()


def _guarded(step: Callable[[], None]) -> None:
    """With a connection of the thread's own; a database that is away is waited for."""
    try:
        step()
    except DatabaseError as error:
        log.warning("warming_without_database", error=str(error))
    finally:
        connection.close()


def forget_silent_processes() -> None:
    """Drop the rows of processes not heard of for an hour."""
    gone = timezone.now() - FORGET_AFTER
    ServingProcess.objects.filter(seen_at__lt=gone).delete()


def _encoders() -> list[IndexVersion]:
    """One version of each encoder that may be asked; the live ones first."""
    live_first = Case(When(state=VersionState.LIVE, then=0), default=1)
    candidates = IndexVersion.objects.filter(state__in=CANDIDATES)
    versions = candidates.order_by("encoder", "fingerprint", live_first, "-pk").distinct(
        "encoder", "fingerprint"
    )
    return sorted(versions, key=lambda version: version.state != VersionState.LIVE)
