"""How many published articles hold each word: the statistics that BM25 weighs words by."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class TermCount(models.Model):
    """Published articles of a workspace, audience and language that hold `lexeme`.

    Triggers add a row for each statement that publishes, withdraws or deletes articles, in
    its transaction, whichever door it came through: a difference, which may be negative. The
    count is the sum of the rows, and so never waits for another writer nor is ever out of
    step; `kb.services.statistics` folds them together now and then. The empty lexeme counts
    articles, and `size` their different words. No foreign key: rows of a deleted workspace
    are written while it goes.
    """

    workspace_id = models.BigIntegerField()
    audience = models.CharField(max_length=16)
    language = models.CharField(max_length=8)
    lexeme = models.TextField()
    documents = models.IntegerField()
    size = models.BigIntegerField(default=0, db_default=0)
    folded = models.BooleanField(default=False, db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["workspace_id", "lexeme"], name="term_count_by_lexeme"),
            models.Index(
                fields=["workspace_id"], condition=Q(folded=False), name="term_count_unfolded"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lexeme!r} ({self.language}): {self.documents:+}"
