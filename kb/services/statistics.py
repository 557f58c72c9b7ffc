"""Keeping word statistics small: differences folded into sums."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

# One statement: readers see the sums before or after, and writers only ever insert.
FOLD = """
    WITH fresh AS MATERIALIZED (
        SELECT id, workspace_id, lexeme FROM kb_termcount WHERE NOT folded LIMIT %(limit)s
    ),
    gone AS (
        DELETE FROM kb_termcount t USING (
            SELECT id FROM fresh
            UNION
            SELECT f.id FROM kb_termcount f JOIN fresh USING (workspace_id, lexeme) WHERE f.folded
        ) chosen
        WHERE t.id = chosen.id
        RETURNING t.workspace_id, t.audience, t.language, t.lexeme, t.documents, t.size
    )
    INSERT INTO kb_termcount (workspace_id, audience, language, lexeme, documents, size, folded)
    SELECT workspace_id, audience, language, lexeme, sum(documents), sum(size), true
    FROM gone WHERE EXISTS (SELECT FROM kb_workspace w WHERE w.id = workspace_id)
    GROUP BY 1, 2, 3, 4 HAVING sum(documents) <> 0 OR sum(size) <> 0
"""
BATCH = 50_000
# Two that delete the same rows in another order would wait for each other.
LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('fold_term_counts'))"
UNFOLDED = "SELECT EXISTS (SELECT FROM kb_termcount WHERE NOT folded)"


def fold_term_counts() -> int:
    """Fold what was written since the last time, and drop what deleted workspaces left.

    Returns how many sums were written. May be killed at any time; a second one at once leaves
    the work to the first.
    """
    written = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            if not (_says(cursor, LOCK) and _says(cursor, UNFOLDED)):
                return written
            cursor.execute(FOLD, {"limit": BATCH})
            written += cursor.rowcount


def _says(cursor: CursorWrapper, question: str) -> bool:
    cursor.execute(question)
    return bool(cursor.fetchone()[0])
