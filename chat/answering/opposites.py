"""What no vector tells apart: numbers, and whether something is denied.

"Is breakfast included" and "is breakfast not included" lie closer together than most
paraphrases; so do 14 days and 30. Opposite words (over and under, enable and disable) remain:
no list of them would be complete in any language.
"""

from __future__ import annotations

import re

# With its sign, or the dot before it; digits above the line and fractions are others.
NUMBER = re.compile(r"(?:(?<!\w)[-−.])?\d+(?:[.,]\d+)*|[²³¹⁰⁴-⁹₀-₉¼-¾⅐-⅞]")
DENIAL = re.compile(
    r"\b(?:not|no|never|without|cannot|nor|neither|nicht|kein\w*|nie|niemals|ohne|"
    r"pas|jamais|sans|sin|nunca|jamás|non|senza|mai|não|nunca|sem|niet|geen|nooit|zonder)\b"
    r"|n['’]t\b|不|没|無|未",
    re.IGNORECASE,
)


def says_the_same_facts(one: str, other: str) -> bool:
    """Whether both questions have the same numbers, and both or neither deny something."""
    return _facts(one) == _facts(other)


def _facts(text: str) -> tuple[list[str], bool]:
    return sorted(NUMBER.findall(text)), bool(DENIAL.search(text))
