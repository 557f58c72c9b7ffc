"""What must be true of every question and write of a journey, whatever happened meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from chat.models import Trace
from embeddings.live import encoder_of
from embeddings.models import IndexVersion, PassageVector
from tests.journeys.editing import Log, Refused
from tests.journeys.load import Asked

Span = tuple[float, float]

ROUNDING = 0.002  # scores are kept to four places, vectors in half precision
RECOMPUTED = 60


def failed(asked: Iterable[Asked], *, away: Span) -> list[Asked]:
    """Questions without an answer, but for those that were under way while PostgreSQL was away
    and were told so: 503, and when to try again."""
    return [each for each in asked if not each.answered and not _excused(each, away=away)]


def excused(asked: Iterable[Asked], *, away: Span) -> list[Asked]:
    """Those."""
    return [each for each in asked if not each.answered and _excused(each, away=away)]


def lost_writes(log: Log, *, away: Span) -> list[Refused]:
    """Writes that were refused otherwise."""
    return [each for each in log.refused if not _excused(each, away=away)]


def _excused(each: Asked | Refused, *, away: Span) -> bool:
    under_way = each.began < away[1] and each.ended > away[0]
    return under_way and each.status == 503 and each.retry_after.isdigit()


def stale(asked: Iterable[Asked], log: Log) -> list[tuple[Asked, list[int]]]:
    """Answers that cite what was over before the question was sent."""
    told = ((each, [r for r in each.revisions if _over(r, log, each.began)]) for each in asked)
    return [(each, revisions) for each, revisions in told if revisions]


def _over(revision: int, log: Log, before: float) -> bool:
    return log.over.get(revision, float("inf")) < before


def answered_by_another(
    asked: Iterable[Asked], *, old: IndexVersion, new: IndexVersion, switched: Span, returned: Span
) -> list[Asked]:
    """Questions that asked another version than the one that was live all the while; those
    under way during a switch may have asked either."""
    wrong = []
    for each in asked:
        if each.index is None:
            continue
        before, after = each.ended < switched[0], each.began > returned[1]
        between = each.began > switched[1] and each.ended < returned[0]
        right = new if between else old
        if (before or after or between) and each.index["id"] != right.pk:
            wrong.append(each)
    return wrong


def assert_identities(asked: Iterable[Asked], versions: Collection[IndexVersion]) -> None:
    """Answers and traces name versions as the table has them, with their own encoders."""
    table = {each.pk: (each.number, each.encoder, each.fingerprint) for each in versions}
    for each in asked:
        if each.index is not None:
            told = (each.index["number"], each.index["encoder"], each.index["fingerprint"])
            assert told == table[each.index["id"]]
    for version, fingerprint in Trace.objects.values_list(
        "index_version_id", "encoder_fingerprint"
    ):
        assert fingerprint == table[version][2]


def assert_traces_agree(asked: Sequence[Asked]) -> None:
    """Each answer's trace is there, and tells the version that the answer told."""
    told = {each.trace: each.index["id"] for each in asked if each.answered and each.index}
    kept = {str(pk): version for pk, version in Trace.objects.values_list("pk", "index_version_id")}
    assert {trace: kept[trace] for trace in told} == told


def recompute_scores(version: IndexVersion) -> int:
    """Encode questions of this version's traces again, by its own encoder: their best passages
    get the scores that the traces tell. Another model's vector would get others. How many."""
    encoder, compared = encoder_of(version), 0
    traces = Trace.objects.filter(index_version_id=version.pk).order_by("created_at")
    for trace in traces[:: max(1, traces.count() // (4 * RECOMPUTED))]:
        asked, found = trace.detail["question"], trace.detail["legs"]["passage"]
        stored = _stored_vector(version, found[0]) if found else None
        if stored is None or asked["turns"] or len(asked["parts"]) != 1:
            continue
        again = float(encoder.encode_queries(asked["parts"])[0] @ stored)
        assert abs(again - found[0]["score"]) < ROUNDING, (again, found[0], asked["text"])
        compared += 1
        if compared == RECOMPUTED:
            break
    return compared


def _stored_vector(version: IndexVersion, hit: dict[str, int]) -> np.ndarray | None:
    passages = PassageVector.objects.filter(
        index_version_id=version.pk, revision_id=hit["revision_id"], ordinal=hit["ordinal"]
    )
    found = passages.first()
    return None if found is None else np.array(found.embedding, dtype=np.float32)
