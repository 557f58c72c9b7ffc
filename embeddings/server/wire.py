"""Requests and answers of the encoder server.

`/v1/embeddings` takes OpenAI's fields and those of Jina's schema (published OpenAPI, June
2026), `/v1/rerank` Jina's; what is not known is refused rather than ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from embeddings.encoders.base import Task

MAX_INPUTS = 2048
EmbeddingType: TypeAlias = Literal["float", "base64", "binary", "ubinary"]
EmbeddingTypes: TypeAlias = Annotated[list[EmbeddingType], Field(min_length=1)]


class Request(BaseModel):
    """Unknown fields are errors: a misspelt option must not pass for the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str


class TextInput(BaseModel):
    """Jina's other way to write a text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str


class EmbeddingRequest(Request):
    """`task` None is text-matching; `late_chunking` joins all inputs, as they are, to one text."""

    input: Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
    task: Task | None = None
    dimensions: Annotated[int, Field(ge=1, strict=True)] | None = None
    normalized: bool = True
    embedding_type: Annotated[list[EmbeddingType], Field(min_length=1)] | EmbeddingType | None = (
        None
    )
    encoding_format: Literal["float", "base64"] | None = None
    late_chunking: bool | None = None
    truncate: bool | None = None
    user: str | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        """One text or several, plain or as {"text": …}."""
        several = value if isinstance(value, list) else [value]
        return [TextInput(**each).text if isinstance(each, dict) else each for each in several]

    @field_validator("task", mode="before")
    @classmethod
    def _clustering(cls, value: object) -> object:
        """Newer models of Jina call separation clustering."""
        return Task.SEPARATION if value == "clustering" else value

    @property
    def forms(self) -> list[EmbeddingType]:
        """How each vector is to be written."""
        if isinstance(self.embedding_type, list):
            return self.embedding_type
        return [self.embedding_type or self.encoding_format or "float"]


class RerankRequest(Request):
    """Documents by relevance to a query."""

    query: str
    documents: Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = True
    truncation: Literal[False] | None = None

    @field_validator("documents", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        """Plain or as {"text": …}."""
        several = value if isinstance(value, list) else [value]
        return [TextInput(**each).text if isinstance(each, dict) else each for each in several]


class DocumentInput(BaseModel):
    """An article."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    body: str
    language: str = "en"


class DocumentsRequest(Request):
    """Whole articles, for an article vector and passages each, cut by the model's strategy."""

    documents: Annotated[list[DocumentInput], Field(min_length=1, max_length=256)]
