"""Keeping word statistics small: differences folded into sums."""

from __future__ import annotations

import time

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
# What a fold wrote while its workspace went. The index is asked once for each workspace.
GONE = """
    WITH RECURSIVE known AS (
        (SELECT workspace_id FROM kb_termcount ORDER BY workspace_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.workspace_id FROM kb_termcount t WHERE t.workspace_id > k.workspace_id
                ORDER BY t.workspace_id LIMIT 1)
        FROM known k WHERE k.workspace_id IS NOT NULL
    )
    SELECT workspace_id FROM known k WHERE workspace_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM kb_workspace w WHERE w.id = k.workspace_id)
"""
FORGET = """
    DELETE FROM kb_termcount WHERE id IN (
        SELECT id FROM kb_termcount WHERE workspace_id = ANY(%(gone)s) LIMIT %(limit)s
    )
"""
UNFOLDED = "SELECT EXISTS (SELECT FROM kb_termcount WHERE NOT folded)"


def fold_term_counts(*, seconds: float | None = None) -> int:
    """Fold what was written since the last time, and drop what deleted workspaces left.

    Stops after the batch in which `seconds` ran out (None: when all is folded). Returns how
    many sums were written. May be killed at any time; a second one at once leaves the work to
    the first.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    written = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            if not _says(cursor, LOCK):
                return written
            if not _forget_gone(cursor) and not _says(cursor, UNFOLDED):
                return written
            cursor.execute(FOLD, {"limit": BATCH})
            written += int(cursor.rowcount)
        if deadline is not None and time.monotonic() >= deadline:
            return written


def forget_term_counts(workspace_id: int) -> None:
    """Drop a workspace's counts at once, and count nothing more of it in this transaction.

    To be called first in the transaction that deletes the workspace: else each of its words
    would be counted down, article by article.
    """
    with connection.cursor() as cursor:
        cursor.execute(GOING, [str(workspace_id)])
        cursor.execute("DELETE FROM kb_termcount WHERE workspace_id = %s", [workspace_id])


# Read by the triggers; more than one may go in one transaction.
GOING = """
    SELECT set_config('kb.workspaces_going',
                      concat_ws(',', nullif(current_setting('kb.workspaces_going', true), ''), %s),
                      true)
"""


def _forget_gone(cursor: CursorWrapper) -> bool:
    cursor.execute(GONE)
    if gone := [workspace for (workspace,) in cursor.fetchall()]:
        cursor.execute(FORGET, {"gone": gone, "limit": BATCH})
    return bool(gone)


def _says(cursor: CursorWrapper, question: str) -> bool:
    cursor.execute(question)
    return bool(cursor.fetchone()[0])
