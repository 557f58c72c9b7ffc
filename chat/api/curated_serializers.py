"""What curated answers look like over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chat.answering.curated_standing import State, state_of
from chat.models import CuratedAnswer, CuratedSource
from chat.services.curated import (
    MAX_ANSWER_CHARACTERS,
    MAX_QUESTION_CHARACTERS,
    MAX_QUESTIONS,
    MAX_SOURCES,
)
from kb.languages import Language
from kb.models import Audience

STATES = [(str(state), str(state)) for state in State]


class CuratedSourceSerializer(serializers.ModelSerializer[CuratedSource]):
    """An article that the answer stands on; null if it was deleted since."""

    article_id = serializers.IntegerField(allow_null=True)
    external_id = serializers.CharField(source="article.external_id", default=None, allow_null=True)

    class Meta:
        model = CuratedSource
        fields = ["article_id", "external_id"]


class CuratedAnswerSerializer(serializers.ModelSerializer[CuratedAnswer]):
    """An approved answer in Markdown; the first of `questions` is the main one.

    `state` says whether it is given now, and if not, why. `embedded`: every question is found
    by like ones too; until then by equal ones only.
    """

    questions = serializers.SerializerMethodField()
    collection = serializers.CharField(source="collection.slug", default=None, allow_null=True)
    sources = CuratedSourceSerializer(many=True)
    state = serializers.SerializerMethodField()
    embedded = serializers.SerializerMethodField()
    author = serializers.CharField(source="author.username", default=None, allow_null=True)

    class Meta:
        model = CuratedAnswer
        fields = [
            "id", "text", "questions", "language", "audience", "collection", "sources", "enabled",
            "valid_until", "state", "embedded", "author", "created_at", "updated_at",
        ]  # fmt: skip

    def get_questions(self, answer: CuratedAnswer) -> list[str]:
        """In their order."""
        return [question.text for question in answer.questions.all()]

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, answer: CuratedAnswer) -> str:
        """As of this moment."""
        return str(state_of(answer))

    def get_embedded(self, answer: CuratedAnswer) -> bool:
        """By the encoder of the live index."""
        pending: bool = answer.pending  # type: ignore[attr-defined]  # annotated
        refused: bool = answer.refused  # type: ignore[attr-defined]  # annotated
        return not pending and not refused


class CuratedAnswerInput(serializers.Serializer[Any]):
    """What a write may say."""

    text = serializers.CharField(
        trim_whitespace=False, max_length=MAX_ANSWER_CHARACTERS, help_text="Markdown"
    )
    questions = serializers.ListField(
        child=serializers.CharField(max_length=MAX_QUESTION_CHARACTERS),
        min_length=1,
        max_length=MAX_QUESTIONS,
        help_text="The main one first; no two answers share a question",
    )
    language = serializers.ChoiceField(choices=Language.choices, required=False)
    audience = serializers.ChoiceField(choices=Audience.choices, required=False)
    collection = serializers.SlugField(required=False, allow_null=True, max_length=100)
    sources = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        max_length=MAX_SOURCES,
        help_text="Ids of published articles; the answer is withdrawn when one is unpublished",
    )
    enabled = serializers.BooleanField(required=False)
    valid_until = serializers.DateTimeField(required=False, allow_null=True)
