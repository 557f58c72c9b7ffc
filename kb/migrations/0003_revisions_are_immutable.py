"""The database keeps the promise that a revision never changes what it says."""

from django.db import migrations

CREATE = """
CREATE FUNCTION kb_revision_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'revision % is immutable: save a new one', OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER kb_revision_immutable BEFORE UPDATE ON kb_revision FOR EACH ROW
WHEN ((OLD.article_id, OLD.workspace_id, OLD.number, OLD.title, OLD.body, OLD.language,
       OLD.audience, OLD.content_hash, OLD.created_at)
   IS DISTINCT FROM
      (NEW.article_id, NEW.workspace_id, NEW.number, NEW.title, NEW.body, NEW.language,
       NEW.audience, NEW.content_hash, NEW.created_at))
EXECUTE FUNCTION kb_revision_refuse_change();
"""

DROP = """
DROP TRIGGER kb_revision_immutable ON kb_revision;
DROP FUNCTION kb_revision_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("kb", "0002_articleevent")]

    operations = [migrations.RunSQL(CREATE, DROP)]
