"""Vectors stay in their rows, in the partitions that there are too (new rows of them)."""

from django.db import migrations

PLAIN = "ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE PLAIN"
AS_BEFORE = "ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE EXTERNAL"
TABLES = ("embeddings_articlevector", "embeddings_passagevector")


class Migration(migrations.Migration):
    dependencies = [("embeddings", "0003_token_spend")]

    operations = [
        migrations.RunSQL(PLAIN.format(table=table), AS_BEFORE.format(table=table))
        for table in TABLES
    ]
