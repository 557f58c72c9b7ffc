"""Keys of curated questions anew: ² and 2, or .5 and 5, are different questions now."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import ClassVar

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation


def question_key(text: str) -> str:
    """As `chat.models.curated` had it at this migration."""
    usual = "".join(map(usual_width, text)).casefold()
    folded = " ".join(unicodedata.normalize("NFC", usual).split())
    bare = folded.lstrip(" ¿¡").rstrip(" ?!.…。")
    return hashlib.sha256((bare or folded).encode()).hexdigest()


def usual_width(character: str) -> str:
    """Of a letter or sign of full or half width."""
    if unicodedata.decomposition(character).startswith(("<wide>", "<narrow>")):
        return unicodedata.normalize("NFKC", character)
    return character


def write_keys(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Questions that were told apart before still are, so that no two get the same key."""
    questions = apps.get_model("chat", "CuratedQuestion").objects.using(
        schema_editor.connection.alias
    )
    changed = []
    for question in questions.order_by("pk").iterator():
        key = question_key(question.text)
        if key != question.key:
            question.key = key
            changed.append(question)
    questions.bulk_update(changed, ["key"], batch_size=500)


class Migration(migrations.Migration):
    """Data only; the old keys are not needed again."""

    dependencies: ClassVar[list[tuple[str, str]]] = [("chat", "0005_trace_policy")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunPython(write_keys, migrations.RunPython.noop)
    ]
