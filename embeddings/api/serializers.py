"""What index versions look like over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from embeddings.lifecycle import Move, allowed_moves
from embeddings.models import IndexEntry, IndexVersion, Verdict, VersionEvent
from embeddings.watching.progress import VersionProgress, version_progress
from embeddings.watching.waits import WaitKind

SHOWN_EVENTS = 50
KINDS = [(str(kind), str(kind)) for kind in WaitKind if kind]
BY_WORKERS = frozenset({Move.FAIL, Move.FINISH, Move.REPLACE})
NOT_FOR_ALL = "Some articles could not be embedded: mend and retry them, or waive them."
SUMMARY = [
    "number", "state", "state_since", "problem", "encoder", "fingerprint", "dimension",
    "strategy", "created_at", "live_since", "live_until", "tokens_per_second", "night_from",
    "night_until", "cut_over_when_ready", "shadow_share", "recall",
]  # fmt: skip


class CountsSerializer(serializers.Serializer[IndexVersion]):
    """Published revisions by state."""

    total = serializers.IntegerField(source="total_count")
    done = serializers.IntegerField(source="done_count")
    pending = serializers.IntegerField(source="pending_count")
    embedding = serializers.IntegerField(source="embedding_count")
    parked = serializers.IntegerField(source="parked_count")


class VersionEventSerializer(serializers.ModelSerializer[VersionEvent]):
    """One move: who, when, why; `details` say what was overridden, waived or measured."""

    details = serializers.DictField()

    class Meta:
        model = VersionEvent
        fields = ["move", "from_state", "to_state", "actor", "reason", "details", "created_at"]


class VerdictSerializer(serializers.ModelSerializer[Verdict]):
    """The judgement beside the version that was live then; `worst` fared worst first, and is
    empty for keys that may not read questions."""

    against = serializers.IntegerField(source="against.number")
    differences = serializers.JSONField()
    worst = serializers.SerializerMethodField()
    policy = serializers.DictField()

    class Meta:
        model = Verdict
        fields = ["allowed", "summary", "against", "differences", "worst", "policy", "created_at"]

    def get_worst(self, verdict: Verdict) -> list[dict[str, Any]]:
        """Deny by default."""
        return list(verdict.worst) if self.context["questions"] else []


class ProgressSerializer(serializers.Serializer[VersionProgress]):
    """Counted from the rows. `waits_for` is empty while it moves, `waiting_kind` the same for
    programs. `cost` is what a paid API was paid so far, `expected_cost` in the end; they and
    `eta_seconds` are null where they are not known."""

    total = serializers.IntegerField()
    done = serializers.IntegerField()
    pending = serializers.IntegerField()
    embedding = serializers.IntegerField()
    parked = serializers.IntegerField()
    percent = serializers.FloatField()
    tokens = serializers.IntegerField()
    tokens_per_second = serializers.FloatField()
    eta_seconds = serializers.FloatField(allow_null=True)
    cost = serializers.FloatField(allow_null=True)
    expected_cost = serializers.FloatField(allow_null=True)
    currency = serializers.CharField(allow_blank=True)
    waits_for = serializers.CharField(allow_blank=True)
    waiting_kind = serializers.ChoiceField(choices=KINDS, allow_blank=True)
    hnsw = serializers.CharField(allow_blank=True)


class IndexVersionSummarySerializer(serializers.ModelSerializer[IndexVersion]):
    """A version with its counts."""

    counts = CountsSerializer(source="*")

    class Meta:
        model = IndexVersion
        fields = [*SUMMARY, "counts"]


class IndexVersionSerializer(serializers.ModelSerializer[IndexVersion]):
    """A version with where it stands, what was estimated, how it was judged and what happened.

    `moves` are what its state allows to be done now; `events` the newest 50.
    """

    moves = serializers.SerializerMethodField()
    derived_from = serializers.IntegerField(
        source="derived_from.number", default=None, allow_null=True
    )
    progress = serializers.SerializerMethodField()
    estimate = serializers.DictField()
    verdict = serializers.SerializerMethodField()
    events = serializers.SerializerMethodField()

    class Meta:
        model = IndexVersion
        fields = [*SUMMARY, "derived_from", "moves", "progress", "estimate", "verdict", "events"]

    def get_moves(self, version: IndexVersion) -> list[str]:
        """By name."""
        return [str(each) for each in allowed_moves(version.state) if each not in BY_WORKERS]

    def get_progress(self, version: IndexVersion) -> ProgressSerializer:
        """As of this moment; a reason that names internal articles only for who may see them."""
        progress = version_progress(version)
        if progress.waiting_kind == WaitKind.PARKED and not self.context["include_internal"]:
            progress = replace(progress, waits_for=NOT_FOR_ALL)
        return ProgressSerializer(progress).data  # type: ignore[return-value]  # for the schema

    @extend_schema_field(VerdictSerializer(allow_null=True))
    def get_verdict(self, version: IndexVersion) -> dict[str, Any] | None:
        """The newest; null for one that was not judged yet."""
        verdict = version.verdicts.select_related("against").first()
        return dict(VerdictSerializer(verdict, context=self.context).data) if verdict else None

    @extend_schema_field(VersionEventSerializer(many=True))
    def get_events(self, version: IndexVersion) -> list[dict[str, Any]]:
        """Newest first."""
        newest = version.events.latest_first()[:SHOWN_EVENTS]
        return [dict(each) for each in VersionEventSerializer(newest, many=True).data]


class ParkedSerializer(serializers.ModelSerializer[IndexEntry]):
    """An article that could not be embedded, why, and when it is tried again by itself."""

    article_id = serializers.IntegerField(source="revision.article_id")
    external_id = serializers.CharField(
        source="revision.article.external_id", default=None, allow_null=True
    )
    title = serializers.CharField(source="revision.title")
    revision = serializers.IntegerField(source="revision.number")

    class Meta:
        model = IndexEntry
        fields = [
            "article_id", "external_id", "title", "revision", "reason", "attempts", "due_at",
        ]  # fmt: skip
