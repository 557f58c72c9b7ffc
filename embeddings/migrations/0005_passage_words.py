"""Words of passages: a partitioned table, and partitions for the versions that there are.

They are filled by the sweep, which finds passages without words.
"""

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from pgvector.django import SparseVectorField

from embeddings.partitions import create_words_partition

CREATE = """
CREATE TABLE embeddings_passagewords (
    index_version_id bigint NOT NULL,
    revision_id bigint NOT NULL,
    ordinal integer NOT NULL,
    terms integer[] NOT NULL,
    words sparsevec NOT NULL,
    PRIMARY KEY (index_version_id, revision_id, ordinal)
) PARTITION BY LIST (index_version_id);
"""
DROP = "DROP TABLE embeddings_passagewords;"


def create_partitions(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 - Django calls it so
    versions = apps.get_model("embeddings", "IndexVersion").objects.exclude(state="retired")
    for version in versions.values_list("pk", flat=True):
        create_words_partition(version)


class Migration(migrations.Migration):
    dependencies = [("embeddings", "0004_indexes"), ("kb", "0005_words")]

    operations = [
        migrations.CreateModel(
            name="PassageWords",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "index_version_id",
                        "revision_id",
                        "ordinal",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("index_version_id", models.BigIntegerField()),
                ("revision_id", models.BigIntegerField()),
                ("ordinal", models.IntegerField()),
                (
                    "terms",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), size=None
                    ),
                ),
                ("words", SparseVectorField()),
            ],
            options={"db_table": "embeddings_passagewords", "managed": False},
        ),
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(create_partitions, migrations.RunPython.noop),
    ]
