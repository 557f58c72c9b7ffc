"""Where a language is spoken, for phone numbers that are written without a country code."""

from __future__ import annotations

from collections.abc import Mapping

from kb.languages import Language

REGIONS: Mapping[str, tuple[str, ...]] = {
    Language.ARABIC: ("AE", "EG", "MA", "SA"),
    Language.CHINESE: ("CN", "HK", "TW"),
    Language.DANISH: ("DK",),
    Language.DUTCH: ("NL", "BE"),
    Language.ENGLISH: ("US", "GB", "AU", "IE", "IN", "NZ", "ZA"),
    Language.FINNISH: ("FI",),
    Language.FRENCH: ("FR", "BE", "CH"),
    Language.GERMAN: ("DE", "AT", "CH"),
    Language.GREEK: ("GR", "CY"),
    Language.HINDI: ("IN",),
    Language.HUNGARIAN: ("HU",),
    Language.ITALIAN: ("IT", "CH"),
    Language.JAPANESE: ("JP",),
    Language.KOREAN: ("KR",),
    Language.NORWEGIAN: ("NO",),
    Language.POLISH: ("PL",),
    Language.PORTUGUESE: ("PT", "BR"),
    Language.ROMANIAN: ("RO",),
    Language.RUSSIAN: ("RU", "KZ"),
    Language.SPANISH: ("ES", "MX", "AR", "CO", "CL"),
    Language.SWEDISH: ("SE",),
    Language.TURKISH: ("TR",),
}
