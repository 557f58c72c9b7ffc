"""What articles look like over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kb.content import MAX_TITLE_CHARACTERS
from kb.indexing import Freshness, FreshnessState
from kb.languages import Language
from kb.models import Article, Audience, Revision

MAX_WAIT_SECONDS = 60
DEFAULT_WAIT_SECONDS = 30.0


class FreshnessSerializer(serializers.Serializer[Freshness]):
    """Where the published revision stands in the live index."""

    state = serializers.ChoiceField(choices=[(str(s), str(s)) for s in FreshnessState])
    revision_id = serializers.IntegerField(allow_null=True)
    searchable_since = serializers.DateTimeField(allow_null=True)
    lag_seconds = serializers.FloatField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    tokens = serializers.IntegerField(allow_null=True)
    covered_characters = serializers.IntegerField(allow_null=True)
    total_characters = serializers.IntegerField(allow_null=True)
    index_version = serializers.IntegerField(allow_null=True)


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    """One immutable snapshot."""

    author = serializers.CharField(source="author.username", default=None, allow_null=True)

    class Meta:
        model = Revision
        fields = [
            "number", "title", "body", "language", "audience", "content_hash",
            "change_note", "author", "created_at",
        ]  # fmt: skip


class ArticleSerializer(serializers.ModelSerializer[Article]):
    """An article with its latest text; `freshness` speaks of the published revision."""

    title = serializers.CharField(source="latest_revision.title")
    body = serializers.CharField(source="latest_revision.body")
    language = serializers.CharField(source="latest_revision.language")
    audience = serializers.CharField(source="latest_revision.audience")
    content_hash = serializers.CharField(source="latest_revision.content_hash")
    revision = serializers.IntegerField(source="latest_revision.number")
    published_revision = serializers.IntegerField(
        source="published_revision.number", default=None, allow_null=True
    )
    collection = serializers.CharField(source="collection.slug", default=None, allow_null=True)
    token_count = serializers.SerializerMethodField()
    freshness = serializers.SerializerMethodField()

    class Meta:
        model = Article
        fields = [
            "id", "external_id", "source", "state", "title", "body", "language", "audience",
            "collection", "tags", "content_hash", "revision", "published_revision",
            "published_at", "created_at", "updated_at", "token_count", "freshness",
        ]  # fmt: skip

    def get_token_count(self, article: Article) -> int | None:
        """Tokens of the published text, by the live index's own tokenizer."""
        return self._freshness_of(article).tokens

    def get_freshness(self, article: Article) -> FreshnessSerializer:
        """Given by the view for all articles at once."""
        return FreshnessSerializer(self._freshness_of(article)).data  # type: ignore[return-value]  # for the schema

    def _freshness_of(self, article: Article) -> Freshness:
        known: dict[int, Freshness] = self.context.get("freshness", {})
        return known.get(article.pk, Freshness(state=FreshnessState.NOT_PUBLISHED))


class ArticleInput(serializers.Serializer[Any]):
    """What a write may say."""

    title = serializers.CharField(max_length=MAX_TITLE_CHARACTERS)
    body = serializers.CharField(trim_whitespace=False)
    language = serializers.ChoiceField(choices=Language.choices, required=False)
    audience = serializers.ChoiceField(choices=Audience.choices, required=False)
    collection = serializers.SlugField(required=False, allow_null=True, max_length=100)
    tags = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, max_length=50
    )
    source = serializers.CharField(  # type: ignore[assignment]  # a field, not its source
        required=False, allow_blank=True, max_length=200
    )
    change_note = serializers.CharField(required=False, allow_blank=True, max_length=500)
    publish = serializers.BooleanField(required=False, default=False)


class NewArticleInput(ArticleInput):
    """With the id it has elsewhere: a second write with the same one is an update."""

    external_id = serializers.CharField(required=False, allow_null=True, max_length=200)


@extend_schema_field({"oneOf": [{"type": "boolean"}, {"type": "number", "minimum": 0}]})
class WaitField(serializers.Field[float, object, float, object]):
    """Seconds to wait: true is 30, false is 0."""

    def to_internal_value(self, data: object) -> float:
        """Raises ValidationError for anything else."""
        if isinstance(data, bool):
            return DEFAULT_WAIT_SECONDS if data else 0.0
        if isinstance(data, (int, float)) and 0 <= data <= MAX_WAIT_SECONDS:
            return float(data)
        raise serializers.ValidationError(
            f"Give true, false, or seconds from 0 to {MAX_WAIT_SECONDS}."
        )


class PublishInput(serializers.Serializer[Any]):
    """`wait`: at most so long until the article is searchable."""

    wait = WaitField(required=False, default=0.0)
    revision = serializers.IntegerField(required=False, min_value=1)


class ArchiveInput(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=500)


class RevertInput(serializers.Serializer[Any]):
    """To which revision."""

    revision = serializers.IntegerField(min_value=1)
