"""The partitioned vector tables. Django's state knows them as unmanaged models (0001)."""

from django.db import migrations
from pgvector.django import VectorExtension

CREATE = """
CREATE TABLE embeddings_articlevector (
    index_version_id bigint NOT NULL,
    revision_id bigint NOT NULL,
    embedding halfvec NOT NULL,
    PRIMARY KEY (index_version_id, revision_id)
) PARTITION BY LIST (index_version_id);

CREATE TABLE embeddings_passagevector (
    index_version_id bigint NOT NULL,
    revision_id bigint NOT NULL,
    ordinal integer NOT NULL,
    start integer NOT NULL,
    "end" integer NOT NULL,
    tokens integer NOT NULL,
    embedding halfvec NOT NULL,
    PRIMARY KEY (index_version_id, revision_id, ordinal)
) PARTITION BY LIST (index_version_id);
"""

DROP = """
DROP TABLE embeddings_passagevector;
DROP TABLE embeddings_articlevector;
"""


class Migration(migrations.Migration):
    dependencies = [("embeddings", "0001_initial")]

    operations = [VectorExtension(), migrations.RunSQL(CREATE, DROP)]
