"""Which language a text is in, judged by its stop words and its script."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection
from typing import Any

from django.db import connection

from kb.languages import SEARCH_CONFIGURATIONS, Language

SAMPLE_CHARACTERS = 4000
# Stop words make up a third to a half of prose in the languages that PostgreSQL knows, and
# by chance (names, words shared between languages) a little of any other.
LEAST_SHARE = 0.15

# A short question has few stop words, and neighbours share them ("la", "de"): a letter that
# one language has and its neighbours have not is worth as much as one word in ten.
LETTERS = {
    Language.FRENCH: "àâçèêëîïœùû",
    Language.GERMAN: "äöüß",
    Language.PORTUGUESE: "ãõâêç",
    Language.SPANISH: "¿¡ñáíóú",
}
LETTER_SHARE = 0.1

SCRIPTS = {
    "HIRAGANA": Language.JAPANESE,
    "KATAKANA": Language.JAPANESE,
    "HANGUL": Language.KOREAN,
    "CJK": Language.CHINESE,
}

STATEMENT = """
    SELECT c.language, sum(cardinality(u.positions))
    FROM unnest(%(languages)s::text[], %(configurations)s::text[]) AS c(language, configuration)
    LEFT JOIN LATERAL unnest(to_tsvector(c.configuration::regconfig, %(text)s)) u ON true
    GROUP BY c.language
"""


def guess_language(text: str, *, otherwise: str, among: Collection[str] = ()) -> str:
    """The language whose stop words make up most of the text's beginning, else `otherwise`.

    Of those in `among`, or of all that PostgreSQL knows. Chinese, Japanese and Korean are
    told by their script. One query at most.
    """
    text = text[:SAMPLE_CHARACTERS]
    script = _language_of_script(text)
    if script:
        return script
    left = _words_left(text)
    all_words = left.pop("simple") or 0
    shares = {
        language: 1 - (words or 0) / all_words + LETTER_SHARE * _has_letters(text, language)
        for language, words in left.items()
        if all_words and (not among or language in among)
    }
    # English wins a tie: its stop words are few, so that chance gives it the least.
    best = max(shares, key=lambda each: (shares[each], each == Language.ENGLISH), default="")
    return best if shares.get(best, 0.0) >= LEAST_SHARE else otherwise


def _has_letters(text: str, language: str) -> bool:
    return not set(LETTERS.get(Language(language), "")).isdisjoint(text.lower())


def _words_left(text: str) -> dict[str, int | None]:
    """By language, how many words of the text are no stop words; `simple` has none."""
    configurations = {"simple": "simple", **SEARCH_CONFIGURATIONS}
    parameters: dict[str, Any] = {
        "languages": [str(language) for language in configurations],
        "configurations": list(configurations.values()),
        "text": text,
    }
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, parameters)
        return dict(cursor.fetchall())


def _language_of_script(text: str) -> str | None:
    letters = [character for character in text if character.isalpha()]
    if not any(character > "\u2e7f" for character in letters):
        return None
    scripts = Counter(unicodedata.name(each, "").split(" ")[0].split("-")[0] for each in letters)
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > len(letters) / 20:
        return str(Language.JAPANESE)  # mostly written in CJK, with kana between
    most = scripts.most_common(1)[0][0]
    language = SCRIPTS.get(most)
    return str(language) if language else None
