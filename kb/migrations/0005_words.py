"""Scripts without spaces become searchable, and words are counted as articles come and go."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

from kb.search_vector import search_vector_expression

# Scripts that set no spaces between words: Han with its marks of iteration, kana (of half
# width too), Hangul (whose particles hang on to words), Thai, Lao, Burmese and Khmer.
UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3031-\u3035\u3040-\u30ff"
    r"\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff"
)

# Bodies are parsed when made, so that a restored dump does not depend on its search path.
SPACED = rf"""
CREATE FUNCTION kb_letter_pairs(letters text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT string_agg(letter || coalesce(next, ''), ' ' ORDER BY place)
    FROM (
        SELECT letter, place, lead(letter) OVER (ORDER BY place) AS next, count(*) OVER () AS size
        FROM regexp_split_to_table(letters, '') WITH ORDINALITY AS x(letter, place)
    ) pairs
    WHERE next IS NOT NULL OR size = 1;
END;

CREATE FUNCTION kb_spaced(body text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN body !~ '[{UNSPACED}]' THEN body ELSE (
        SELECT string_agg(
            CASE WHEN part[1] ~ '^[{UNSPACED}]' THEN kb_letter_pairs(part[1]) ELSE part[1] END,
            ' ' ORDER BY place)
        FROM regexp_matches(body, '[{UNSPACED}]+|[^{UNSPACED}]+', 'g')
            WITH ORDINALITY AS x(part, place)
    ) END;
END;
"""  # noqa: S608 - a constant of ours

# A tsvector holds 1 MB. New texts with more are refused, those that are stored already are
# found by the words of as much of their beginning as it holds. Not parallel: it catches errors.
HELD = """
CREATE FUNCTION kb_search_vector(configuration regconfig, title text, body text)
RETURNS tsvector LANGUAGE plpgsql IMMUTABLE STRICT SET search_path FROM CURRENT AS $$
DECLARE size integer := length(body);
BEGIN
    LOOP
        BEGIN
            RETURN setweight(to_tsvector(configuration, kb_spaced(title)), 'A')
                || setweight(to_tsvector(configuration, kb_spaced(left(body, size))), 'B');
        EXCEPTION WHEN program_limit_exceeded THEN
            IF size = 0 THEN RAISE; END IF;
            size := size / 2;
        END;
    END LOOP;
END
$$;
"""

COUNTING = """
-- Whoever deletes a workspace says so, for the transaction: its counts go in one piece.
CREATE FUNCTION kb_workspace_is_going(workspace bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT workspace::text = ANY(
        string_to_array(coalesce(current_setting('kb.workspaces_going', true), ''), ','))
$$;

CREATE FUNCTION kb_count_terms(revisions bigint[], difference integer) RETURNS void
LANGUAGE sql AS $$
    WITH counted AS (
        SELECT workspace_id, audience, language, search FROM kb_revision
        WHERE id = ANY(revisions) AND NOT kb_workspace_is_going(workspace_id)
    )
    INSERT INTO kb_termcount (workspace_id, audience, language, lexeme, documents, size)
    SELECT r.workspace_id, r.audience, r.language, t.lexeme, difference * count(*), 0
    FROM counted r, unnest(tsvector_to_array(r.search)) AS t(lexeme)
    GROUP BY r.workspace_id, r.audience, r.language, t.lexeme
    UNION ALL
    SELECT r.workspace_id, r.audience, r.language, '', difference * count(*),
           difference * sum(length(r.search))
    FROM counted r
    GROUP BY r.workspace_id, r.audience, r.language
$$;

CREATE FUNCTION kb_article_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM kb_count_terms(ids, 1)
    FROM (SELECT array_agg(published_revision_id) AS ids FROM added
          WHERE published_revision_id IS NOT NULL) x WHERE ids IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION kb_article_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM kb_count_terms(ids, -1)
    FROM (SELECT array_agg(published_revision_id) AS ids FROM removed
          WHERE published_revision_id IS NOT NULL) x WHERE ids IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION kb_article_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM kb_count_terms(ids, -1)
    FROM (SELECT array_agg(o.published_revision_id) AS ids
          FROM removed o JOIN added n USING (id)
          WHERE o.published_revision_id IS DISTINCT FROM n.published_revision_id
            AND o.published_revision_id IS NOT NULL) x WHERE ids IS NOT NULL;
    PERFORM kb_count_terms(ids, 1)
    FROM (SELECT array_agg(n.published_revision_id) AS ids
          FROM removed o JOIN added n USING (id)
          WHERE o.published_revision_id IS DISTINCT FROM n.published_revision_id
            AND n.published_revision_id IS NOT NULL) x WHERE ids IS NOT NULL;
    RETURN NULL;
END
$$;

-- Revisions go before their articles, and their words with them.
CREATE FUNCTION kb_revision_removing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF kb_workspace_is_going(OLD.workspace_id) THEN
        RETURN OLD;
    END IF;
    IF EXISTS (SELECT FROM kb_article WHERE published_revision_id = OLD.id) THEN
        PERFORM kb_count_terms(ARRAY[OLD.id], -1);
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER kb_article_added AFTER INSERT ON kb_article
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION kb_article_added();
CREATE TRIGGER kb_article_changed AFTER UPDATE ON kb_article
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION kb_article_changed();
CREATE TRIGGER kb_article_removed AFTER DELETE ON kb_article
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION kb_article_removed();
CREATE TRIGGER kb_revision_removing BEFORE DELETE ON kb_revision
    FOR EACH ROW EXECUTE FUNCTION kb_revision_removing();

SELECT kb_count_terms(array_agg(published_revision_id), 1) FROM kb_article
WHERE published_revision_id IS NOT NULL;
"""

NOT_COUNTING = """
DROP TRIGGER kb_article_added ON kb_article;
DROP TRIGGER kb_article_changed ON kb_article;
DROP TRIGGER kb_article_removed ON kb_article;
DROP TRIGGER kb_revision_removing ON kb_revision;
DROP FUNCTION kb_article_added, kb_article_changed, kb_article_removed, kb_revision_removing,
    kb_count_terms, kb_workspace_is_going;
"""


class Migration(migrations.Migration):
    dependencies = [("kb", "0004_filter_indexes")]

    operations = [
        migrations.RunSQL(SPACED, "DROP FUNCTION kb_spaced, kb_letter_pairs;"),
        migrations.RunSQL(HELD, "DROP FUNCTION kb_search_vector;"),
        # The expression of a generated column cannot be changed: a new column takes its name.
        migrations.RemoveIndex(model_name="revision", name="revision_search"),
        migrations.RemoveField(model_name="revision", name="search"),
        migrations.AddField(
            model_name="revision",
            name="search",
            field=models.GeneratedField(
                db_persist=True,
                expression=search_vector_expression(),
                output_field=django.contrib.postgres.search.SearchVectorField(),
            ),
        ),
        migrations.AddIndex(
            model_name="revision",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search"], name="revision_search"
            ),
        ),
        migrations.CreateModel(
            name="TermCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("workspace_id", models.BigIntegerField()),
                ("audience", models.CharField(max_length=16)),
                ("language", models.CharField(max_length=8)),
                ("lexeme", models.TextField()),
                ("documents", models.IntegerField()),
                ("size", models.BigIntegerField(default=0, db_default=0)),
                ("folded", models.BooleanField(default=False, db_default=False)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["workspace_id", "lexeme"], name="term_count_by_lexeme"),
                    models.Index(
                        condition=models.Q(("folded", False)),
                        fields=["workspace_id"],
                        name="term_count_unfolded",
                    ),
                ]
            },
        ),
        migrations.RunSQL(COUNTING, NOT_COUNTING),
    ]
