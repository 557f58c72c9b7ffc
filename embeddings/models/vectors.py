"""Vectors, in two tables that are partitioned by index version.

The tables are made in a migration with SQL (`managed = False`): Django knows neither
partitions nor an unsized `halfvec`. No foreign keys: attaching a partition with them locks
the referenced table against writes. `embeddings.partitions` makes and drops the partitions.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from pgvector.django import HalfVectorField, SparseVectorField


class ArticleVector(models.Model):
    """The pooled vector of a whole article: unit length, the version's dimension."""

    pk = models.CompositePrimaryKey("index_version_id", "revision_id")
    index_version_id = models.BigIntegerField()
    revision_id = models.BigIntegerField()
    embedding = HalfVectorField()

    class Meta:
        managed = False
        db_table = "embeddings_articlevector"

    def __str__(self) -> str:
        return f"article vector of revision {self.revision_id}"


class PassageVector(models.Model):
    """A passage of a revision: `body[start:end]`, with its unit-length vector."""

    pk = models.CompositePrimaryKey("index_version_id", "revision_id", "ordinal")
    index_version_id = models.BigIntegerField()
    revision_id = models.BigIntegerField()
    ordinal = models.IntegerField()
    start = models.IntegerField()
    end = models.IntegerField()
    tokens = models.IntegerField()
    embedding = HalfVectorField()

    class Meta:
        managed = False
        db_table = "embeddings_passagevector"

    def __str__(self) -> str:
        return f"passage {self.ordinal} of revision {self.revision_id}"


class PassageWords(models.Model):
    """The words and phrases of a passage and its title, by number (`embeddings.words`).

    `terms` are the numbers of the words alone, for finding; `words` what each word and phrase
    is worth to BM25, so that the inner product with a question's weights is its score.
    """

    pk = models.CompositePrimaryKey("index_version_id", "revision_id", "ordinal")
    index_version_id = models.BigIntegerField()
    revision_id = models.BigIntegerField()
    ordinal = models.IntegerField()
    terms = ArrayField(models.IntegerField())
    words = SparseVectorField()

    class Meta:
        managed = False
        db_table = "embeddings_passagewords"

    def __str__(self) -> str:
        return f"words of passage {self.ordinal} of revision {self.revision_id}"
