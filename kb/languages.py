"""Languages that articles may be written in, and how PostgreSQL stems each."""

from __future__ import annotations

from django.db import models


class Language(models.TextChoices):
    """Two-letter ISO 639-1 codes; `OTHER` is for anything not listed."""

    ARABIC = "ar", "Arabic"
    CHINESE = "zh", "Chinese"
    DANISH = "da", "Danish"
    DUTCH = "nl", "Dutch"
    ENGLISH = "en", "English"
    FINNISH = "fi", "Finnish"
    FRENCH = "fr", "French"
    GERMAN = "de", "German"
    GREEK = "el", "Greek"
    HINDI = "hi", "Hindi"
    HUNGARIAN = "hu", "Hungarian"
    ITALIAN = "it", "Italian"
    JAPANESE = "ja", "Japanese"
    KOREAN = "ko", "Korean"
    NORWEGIAN = "no", "Norwegian"
    POLISH = "pl", "Polish"
    PORTUGUESE = "pt", "Portuguese"
    ROMANIAN = "ro", "Romanian"
    RUSSIAN = "ru", "Russian"
    SPANISH = "es", "Spanish"
    SWEDISH = "sv", "Swedish"
    TURKISH = "tr", "Turkish"
    OTHER = "und", "Other"


# Text search configurations that PostgreSQL 18 ships; a language that is not here is
# searched with `simple`, which neither stems nor drops stop words.
SEARCH_CONFIGURATIONS: dict[str, str] = {
    Language.ARABIC: "arabic",
    Language.DANISH: "danish",
    Language.DUTCH: "dutch",
    Language.ENGLISH: "english",
    Language.FINNISH: "finnish",
    Language.FRENCH: "french",
    Language.GERMAN: "german",
    Language.GREEK: "greek",
    Language.HINDI: "hindi",
    Language.HUNGARIAN: "hungarian",
    Language.ITALIAN: "italian",
    Language.NORWEGIAN: "norwegian",
    Language.PORTUGUESE: "portuguese",
    Language.ROMANIAN: "romanian",
    Language.RUSSIAN: "russian",
    Language.SPANISH: "spanish",
    Language.SWEDISH: "swedish",
    Language.TURKISH: "turkish",
}


def search_configuration(language: str) -> str:
    """Name of the PostgreSQL text search configuration for `language`."""
    return SEARCH_CONFIGURATIONS.get(language, "simple")
