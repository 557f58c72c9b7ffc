"""Shorter vectors from stored longer ones, without encoding (Matryoshka representations,
arXiv 2205.13147): the first numbers of each vector, made unit length again.

A vector shortened after pooling is exactly what the encoder would give, but for the half
precision of what is stored (within .001 of each number).
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction

from embeddings.encoders.base import Encoder, ShorteningEncoder
from embeddings.filling.claims import Claim
from embeddings.filling.store import delete_vectors, lock_claimed, mark_embedded
from embeddings.lifecycle import STORED
from embeddings.models import EntryState, IndexEntry, IndexVersion
from kb.models import Workspace


def derivable_from(workspace: Workspace, encoder: Encoder) -> IndexVersion | None:
    """A version of the same model and cutting whose vectors begin with those of `encoder`."""
    if not isinstance(encoder, ShorteningEncoder):
        return None
    full = encoder.full_fingerprint
    return (
        workspace.index_versions.filter(
            state__in=STORED, fingerprint=full, dimension__gt=encoder.dimension
        )
        .order_by("-pk")
        .first()
    )


def derive_vectors(version: IndexVersion, claim: Claim) -> frozenset[int]:
    """Derive what can be of a claim; returns the revisions that are stored now.

    One short transaction, fenced as storing is.
    """
    if version.derived_from_id is None:
        return frozenset()
    wanted = [entry.revision_id for entry in claim.entries]
    with transaction.atomic():
        entries = lock_claimed(version, claim, wanted)
        sources = _sources(version, [entry.revision_id for entry in entries])
        delete_vectors(version, list(sources))
        copied = _copy(version, list(sources))
        _mark_derived([entry for entry in entries if entry.revision_id in copied], sources)
    return copied


def _sources(version: IndexVersion, revisions: Sequence[int]) -> dict[int, IndexEntry]:
    """Entries of the longer vectors, kept from being purged until these are stored.

    Their version is not locked: a cut-over locks both versions in its own order.
    """
    stored = IndexEntry.objects.select_for_update(no_key=True, of=("self",)).filter(
        index_version_id=version.derived_from_id,
        index_version__state__in=STORED,
        revision_id__in=revisions,
        state=EntryState.EMBEDDED,
    )
    return {entry.revision_id: entry for entry in stored.order_by("pk")}


def _copy(version: IndexVersion, revisions: list[int]) -> frozenset[int]:
    """Those that were there to be copied: the longer vectors may be dropped just now."""
    parameters = {"revisions": revisions}
    numbers = {
        "to": int(version.pk),
        "source": int(version.derived_from_id or 0),
        "dimension": int(version.dimension),
    }
    with connection.cursor() as cursor:
        cursor.execute(ARTICLES.format(**numbers), parameters)
        copied = frozenset(revision for (revision,) in cursor.fetchall())
        for statement in (PASSAGES, WORDS):
            cursor.execute(statement.format(**numbers), parameters)
    return copied


SHORTENED = "l2_normalize(subvector(embedding, 1, {dimension})::halfvec)"
FROM_SOURCE = "WHERE index_version_id = {source} AND revision_id = ANY(%(revisions)s)"
ARTICLES = f"""
    INSERT INTO embeddings_articlevector (index_version_id, revision_id, embedding)
    SELECT {{to}}, revision_id, {SHORTENED} FROM embeddings_articlevector {FROM_SOURCE}
    RETURNING revision_id
"""  # noqa: S608 - numbers of our own
PASSAGES = f"""
    INSERT INTO embeddings_passagevector
        (index_version_id, revision_id, ordinal, start, "end", tokens, embedding)
    SELECT {{to}}, revision_id, ordinal, start, "end", tokens, {SHORTENED}
    FROM embeddings_passagevector {FROM_SOURCE}
"""  # noqa: S608
WORDS = f"""
    INSERT INTO embeddings_passagewords (index_version_id, revision_id, ordinal, terms, words)
    SELECT {{to}}, revision_id, ordinal, terms, words
    FROM embeddings_passagewords {FROM_SOURCE}
"""  # noqa: S608


def _mark_derived(entries: Sequence[IndexEntry], sources: dict[int, IndexEntry]) -> None:
    for entry in entries:
        source = sources[entry.revision_id]
        entry.tokens, entry.windows = source.tokens, source.windows
        entry.covered_characters = source.covered_characters
    mark_embedded(entries)
