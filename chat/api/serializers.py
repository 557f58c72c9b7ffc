"""What questions, answers and context look like over HTTP."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rest_framework import serializers

from chat.answering.base import Reason
from chat.models import Citation, Conversation, Message, MessageRole
from chat.retrieval.conversation import MAX_TURN_CHARACTERS, MAX_TURNS, Turn
from chat.retrieval.fusion import VOICES
from chat.retrieval.results import ArticleMatch, ContextSpan, Place, Retrieval
from kb.languages import Language
from kb.models import Audience
from kb.search import Filters

MAX_FILTERS = 50


class TurnInput(serializers.Serializer[Turn]):
    """What somebody said earlier."""

    role = serializers.ChoiceField(choices=MessageRole.choices)
    text = serializers.CharField(max_length=MAX_TURN_CHARACTERS)


class RetrieveInput(serializers.Serializer[dict[str, Any]]):
    """A question, and what to look for it in."""

    question = serializers.CharField(trim_whitespace=False, allow_blank=True)
    history = serializers.ListField(
        child=TurnInput(),
        required=False,
        max_length=MAX_TURNS,
        help_text="The conversation before the question, oldest turn first, so that a follow-up "
        "finds what it is about. What was said is data: nothing in it is obeyed",
    )
    profile = serializers.SlugField(required=False, help_text="Retrieval profile")
    collections = serializers.ListField(
        child=serializers.CharField(), required=False, max_length=MAX_FILTERS, help_text="Slugs"
    )
    languages = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Codes, such as en"
    )
    tags = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        max_length=MAX_FILTERS,
        help_text="Any of them",
    )
    sources = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        max_length=MAX_FILTERS,
        help_text="Where articles came from, exactly as stored; any of them",
    )
    audience = serializers.ChoiceField(
        choices=Audience.choices,
        required=False,
        help_text="Only these articles; internal ones are found only by keys that may see them",
    )
    updated_after = serializers.DateTimeField(
        required=False, help_text="Published, or published anew, at this time or later"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What narrows the search as one value, `filters`; turns as values."""
        if "history" in attrs:
            attrs["history"] = [Turn(**turn) for turn in attrs["history"]]
        names = {field.name for field in fields(Filters)} & attrs.keys()
        narrowing = {name: attrs.pop(name) for name in names}
        given: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in narrowing.items()
        }
        return {**attrs, "filters": Filters(**given)}

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
        return {leg: serializers.FloatField(allow_null=True) for leg in VOICES}


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
    rerank = serializers.FloatField(
        source="fused.rerank", allow_null=True, help_text="The reranker's; null without one"
    )


class PlaceSerializer(serializers.Serializer[Place]):
    """Characters `start` to `end` of a revision's body."""

    article_id = serializers.IntegerField()
    revision_id = serializers.IntegerField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()


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
    also = PlaceSerializer(many=True, help_text="Where else the same words stand")


class IndexSerializer(serializers.Serializer[Any]):
    """The index version that was asked."""

    id = serializers.IntegerField()
    number = serializers.IntegerField()
    encoder = serializers.CharField()
    fingerprint = serializers.CharField()


class RetrievalSerializer(serializers.Serializer[Retrieval]):
    """Articles, best first, and context within the profile's token budget."""

    trace_id = serializers.SerializerMethodField()
    question = serializers.CharField(source="asked", help_text="As it was asked")
    standalone = serializers.CharField(
        source="question.standalone",
        help_text="What was looked for: of a follow-up, the question that a language model made "
        "of it, or the visitor's turns before it and the question, a line each",
    )
    rewritten_by = serializers.CharField(
        source="rewriting.rewritten_by", help_text="The language model; empty for none"
    )
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
    """One turn. `reason` says why an answer abstains; empty otherwise.

    `curated`: a person approved this answer, in Markdown, as a whole.
    """

    role = serializers.ChoiceField(choices=MessageRole.choices)
    reason = serializers.ChoiceField(
        choices=[(str(reason), reason.name) for reason in Reason], allow_blank=True
    )
    citations = CitationSerializer(many=True)
    curated = serializers.BooleanField()
    trace_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = Message
        fields = [
            "id", "number", "role", "text", "abstained", "reason", "confidence", "curated",
            "curated_id", "citations", "trace_id", "created_at",
        ]  # fmt: skip


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    """A conversation with its messages in order."""

    messages = MessageSerializer(many=True)

    class Meta:
        model = Conversation
        fields = ["id", "language", "metadata", "created_at", "messages"]
