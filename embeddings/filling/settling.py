"""From building to ready: everything is in, the index is built, and it finds what there is."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from django.conf import settings

from embeddings.errors import MoveRefused
from embeddings.filling.recall import is_probed, probe_recall
from embeddings.hnsw import index_name, missing_indexes
from embeddings.lifecycle import Move
from embeddings.models import EntryState, IndexEntry, IndexVersion, VersionState
from embeddings.nudging import nudge_version
from embeddings.partitions import PASSAGES
from embeddings.services.entries import ensure_entries
from embeddings.services.moving import WORKER, make_move

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    embedded: int
    parked: int
    unfinished: int


def settle(version: IndexVersion, *, probe: bool = True) -> bool:
    """Make a building version ready if nothing is left to do; True if it is now.

    What an HNSW index finds may take minutes to measure: without `probe` that is left to a
    worker of the queue `bulk`.

    What people publish meanwhile is not waited for: a version is never without such work. A
    build in which no article could be embedded, or whose HNSW index finds too little of what
    an exact scan finds, is failed with the reason.
    """
    building = IndexVersion.objects.filter(pk=version.pk, state=VersionState.BUILDING).first()
    if building is None:
        return False
    try:
        return _settle(building, probe=probe)
    except MoveRefused as refusal:  # another worker was quicker, or a person paused it
        log.info("not_settled", version=building.pk, reason=str(refusal))
        return False


def _settle(building: IndexVersion, *, probe: bool) -> bool:
    ensure_entries(building, bulk=True)
    counts = _count(building)
    if counts.unfinished:
        return False
    if counts.parked and not counts.embedded:
        _fail(building, f"No article could be embedded; the first: {_first_reason(building)}")
        return False
    if missing_indexes([building]):
        return False
    if not probe and is_probed(building):
        nudge_version(building.pk, bulk=True)
        return False
    return _finish(building, counts)


def _finish(version: IndexVersion, counts: _Counts) -> bool:
    recall = probe_recall(version)
    IndexVersion.objects.filter(pk=version.pk).update(recall=recall)
    if recall is not None and recall < settings.HNSW_MIN_RECALL:
        _fail(
            version,
            f"The HNSW index {index_name(PASSAGES, version.pk)} finds {recall:.1%} of the ten "
            f"nearest passages; at least {settings.HNSW_MIN_RECALL:.0%} are asked for "
            "(HNSW_MIN_RECALL).",
        )
        return False
    details = {"embedded": counts.embedded, "parked": counts.parked, "recall": recall}
    make_move(version, Move.FINISH, actor=WORKER, details=details)
    return True


def _fail(version: IndexVersion, reason: str) -> None:
    make_move(version, Move.FAIL, actor=WORKER, reason=reason)


def _count(version: IndexVersion) -> _Counts:
    entries = IndexEntry.objects.filter(index_version=version).current()
    return _Counts(
        embedded=entries.filter(state=EntryState.EMBEDDED).count(),
        parked=entries.parked().count(),
        unfinished=entries.unfinished().filter(bulk=True).count(),
    )


def _first_reason(version: IndexVersion) -> str:
    return IndexEntry.objects.filter(index_version=version).current().parked()[:1].get().reason
