"""What traces and their differences look like over HTTP."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from chat.models import Trace
from chat.tracing.diff import ArticleChange, ContextChange, Pair, TraceDiff

SUMMARY = [
    "id", "question", "index_version_id", "encoder_fingerprint", "profile", "answer",
    "abstained", "confidence", "include_internal", "replay_of", "created_at",
]  # fmt: skip


class TraceSummarySerializer(serializers.ModelSerializer[Trace]):
    """A question and its outcome; `abstained` is null for a retrieval without an answer."""

    class Meta:
        model = Trace
        fields = SUMMARY


class TraceSerializer(serializers.ModelSerializer[Trace]):
    """What a question went through; `detail` explains it step by step."""

    detail = serializers.DictField()

    class Meta:
        model = Trace
        fields = [*SUMMARY, "detail"]


class ReplayInput(serializers.Serializer[dict[str, Any]]):
    """Both optional: without them the trace's own settings and index version are asked."""

    profile = serializers.SlugField(required=False, help_text="Retrieval profile")
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="Number of an index version that is not retired"
    )


class DiffQuery(serializers.Serializer[Any]):
    """The trace to compare with."""

    # `with` is Python's own word, so the field is set by its name below.
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`with`, a trace's id."""
        return {"with": serializers.UUIDField(help_text="Id of the trace that it became")}


class AnyPairSerializer(serializers.Serializer[Pair]):
    """A value before and after, of whatever kind; null where there was none."""

    name = serializers.CharField()
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class NumberPairSerializer(serializers.Serializer[Pair]):
    """A number before and after; null where there was none."""

    name = serializers.CharField()
    old = serializers.FloatField(allow_null=True)
    new = serializers.FloatField(allow_null=True)


class ArticleChangeSerializer(serializers.Serializer[ArticleChange]):
    """An article's place (from 1) and scores in the two rankings."""

    article_id = serializers.IntegerField()
    revision_id = serializers.IntegerField()
    change = serializers.ChoiceField(choices=["same", "up", "down", "new", "gone"])
    rank = NumberPairSerializer()
    score = NumberPairSerializer()
    legs = NumberPairSerializer(many=True)


class ContextChangeSerializer(serializers.Serializer[ContextChange]):
    """Characters of a revision that are context in one trace or both."""

    article_id = serializers.IntegerField()
    revision_id = serializers.IntegerField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    tokens = serializers.IntegerField()
    change = serializers.ChoiceField(choices=["same", "new", "gone"])


class TraceDiffSerializer(serializers.Serializer[TraceDiff]):
    """What the second trace has otherwise; `index` and `settings` hold only what differs."""

    rankings_same = serializers.BooleanField()
    articles = ArticleChangeSerializer(many=True)
    context = ContextChangeSerializer(many=True)  # type: ignore[assignment]  # a field, not DRF's context
    answer = AnyPairSerializer(many=True)
    index = AnyPairSerializer(many=True)
    settings = AnyPairSerializer(many=True)
    timings = NumberPairSerializer(many=True)
