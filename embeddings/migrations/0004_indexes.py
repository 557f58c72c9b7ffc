"""Vectors stay in their rows, in the partitions that there are too (new rows of them)."""

from django.db import migrations

# By partition, since vectors of more dimensions fit no page (`embeddings.partitions`).
SET_STORAGE = """
DO $$
DECLARE part regclass;
BEGIN
    FOR part IN
        SELECT i.inhrelid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        JOIN embeddings_indexversion v
            ON c.relname = i.inhparent::regclass::text || '_v' || v.id
        WHERE i.inhparent IN ('embeddings_articlevector'::regclass,
                              'embeddings_passagevector'::regclass)
          AND v.dimension <= 3900
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN embedding SET STORAGE {storage}', part);
    END LOOP;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("embeddings", "0003_token_spend")]

    operations = [
        migrations.RunSQL(
            SET_STORAGE.replace("{storage}", "PLAIN"), SET_STORAGE.replace("{storage}", "EXTERNAL")
        )
    ]
