"""Whether PostgreSQL can index the words of a text at all.

A tsvector holds at most 1 MB of lexemes and positions, which a long text of ever different
words passes. Refused with a reason, since the alternative is to cut it in silence.
"""

from __future__ import annotations

from django.db import OperationalError, connection, transaction

from kb.content import ArticleText
from kb.errors import TooLarge
from kb.languages import search_configuration

# Tried: up to 500,000 bytes even unlike URLs, of which each makes three lexemes, fit; of
# scripts without spaces, each letter of which makes a pair, up to 300,000.
ALWAYS_FITS_BYTES = 250_000
PROGRAM_LIMIT_EXCEEDED = "54000"


def require_indexable(text: ArticleText) -> None:
    """Asks the database about long texts only. Raises TooLarge."""
    if len(text.body.encode()) <= ALWAYS_FITS_BYTES:
        return
    words = (search_configuration(text.language), f"{text.title} {text.body}")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT length(to_tsvector(%s::regconfig, kb_spaced(%s)))", words)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != PROGRAM_LIMIT_EXCEEDED:
            raise
        raise TooLarge(
            "The body has too many different words to be searched; split the article.",
            field="body",
        ) from error
