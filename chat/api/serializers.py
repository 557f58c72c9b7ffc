"""What questions, answers and context look like over HTTP."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from chat.answering.base import Reason
from chat.models import Citation, Conversation, Message, MessageRole, Trace
from chat.retrieval.legs import LEGS
from chat.retrieval.results import ArticleMatch, ContextSpan, Retrieval
from kb.languages import Language

MAX_FILTERS = 50


class RetrieveInput(serializers.Serializer[dict[str, Any]]):
    """A question, and what to look for it in."""

    question = serializers.CharField(trim_whitespace=False, allow_blank=True)
    profile = serializers.SlugField(required=False, help_text="Retrieval profile")
    collections = serializers.ListField(
        child=serializers.CharField(), required=False, max_length=MAX_FILTERS, help_text="Slugs"
    )
    languages = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Codes, such as en"
    )
    tags = serializers.ListField(
        child=serializers.CharField(), required=False, max_length=MAX_FILTERS
    )

    def validate_languages(self, languages: list[str]) -> list[str]:
        """Known codes only: a misspelt one would just find nothing."""
        unknown = sorted(set(languages) - set(Language.values))
        if unknown:
            raise serializers.ValidationError(f"Unknown: {', '.join(unknown)}.")
        return languages


class LegScoresSerializer(serializers.Serializer[dict[str, float]]):
    """What each leg gave; null where it did not find the article."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """One number per leg."""
        return {leg: serializers.FloatField(allow_null=True) for leg in LEGS}


class HitSerializer(serializers.Serializer[ArticleMatch]):
    """An article in the ranking."""

    article_id = serializers.IntegerField(source="source.article_id")
    revision_id = serializers.IntegerField(source="source.revision_id")
    external_id = serializers.CharField(source="source.external_id", allow_null=True)
    title = serializers.CharField(source="source.title")
    language = serializers.CharField(source="source.language")
    audience = serializers.CharField(source="source.audience")
    score = serializers.FloatField()
    legs = LegScoresSerializer(source="fused.legs")


class SpanSerializer(serializers.Serializer[ContextSpan]):
    """Context: `text` is characters `start` to `end` of the revision's body."""

    article_id = serializers.IntegerField(source="source.article_id")
    revision_id = serializers.IntegerField(source="source.revision_id")
    external_id = serializers.CharField(source="source.external_id", allow_null=True)
    title = serializers.CharField(source="source.title")
    headings = serializers.ListField(child=serializers.CharField())
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    text = serializers.CharField()
    tokens = serializers.IntegerField()
    score = serializers.FloatField()
    why = serializers.CharField()


class IndexSerializer(serializers.Serializer[Any]):
    """The index version that was asked."""

    id = serializers.IntegerField()
    number = serializers.IntegerField()
    encoder = serializers.CharField()
    fingerprint = serializers.CharField()


class RetrievalSerializer(serializers.Serializer[Retrieval]):
    """Articles, best first, and context within the profile's token budget."""

    trace_id = serializers.SerializerMethodField()
    question = serializers.CharField(source="question.text")
    profile = serializers.CharField(source="settings.name")
    index = IndexSerializer()
    hits = HitSerializer(many=True)
    context = SpanSerializer(many=True)  # type: ignore[assignment]  # a field, not DRF's context
    timings = serializers.DictField(
        child=serializers.FloatField(), help_text="Milliseconds by step"
    )

    def get_trace_id(self, _: Retrieval) -> str:
        """Of the trace saved for it; given in the serializer's context."""
        return str(self.context["trace_id"])


class ConversationInput(serializers.Serializer[dict[str, Any]]):
    """All optional."""

    language = serializers.ChoiceField(
        choices=Language.choices, required=False, help_text="The visitor's; else guessed"
    )
    metadata = serializers.DictField(required=False, help_text="Yours; returned as given")


class MessageInput(serializers.Serializer[dict[str, Any]]):
    """What the visitor says."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)


class CitationSerializer(serializers.ModelSerializer[Citation]):
    """`quote` is characters `start` to `end` of the revision's body, verbatim."""

    class Meta:
        model = Citation
        fields = [
            "number", "article_id", "revision_id", "external_id", "title", "start", "end", "quote",
        ]  # fmt: skip


class MessageSerializer(serializers.ModelSerializer[Message]):
    """One turn. `reason` says why an answer abstains; empty otherwise."""

    role = serializers.ChoiceField(choices=MessageRole.choices)
    reason = serializers.ChoiceField(
        choices=[(str(reason), reason.name) for reason in Reason], allow_blank=True
    )
    citations = CitationSerializer(many=True)
    trace_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = Message
        fields = [
            "id", "number", "role", "text", "abstained", "reason", "confidence", "citations",
            "trace_id", "created_at",
        ]  # fmt: skip


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    """A conversation with its messages in order."""

    messages = MessageSerializer(many=True)

    class Meta:
        model = Conversation
        fields = ["id", "language", "metadata", "created_at", "messages"]


class TraceSerializer(serializers.ModelSerializer[Trace]):
    """What a question went through; `detail` explains it step by step."""

    detail = serializers.DictField()

    class Meta:
        model = Trace
        fields = [
            "id", "question", "index_version_id", "encoder_fingerprint", "profile", "answer",
            "abstained", "confidence", "detail", "created_at",
        ]  # fmt: skip
