"""What encoders cost: those behind a paid API, by the price in their configuration.

No prices are shipped, since they change and depend on the contract: PRICE_PER_MILLION and
CURRENCY of an encoder (`price_per_million`, `currency` in ENCODERS_FILE) are the operator's.
"""

from __future__ import annotations

from dataclasses import dataclass

from embeddings.encoders.families import family_of
from embeddings.encoders.registry import configuration

OPENAI = "openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of a million tokens, as the API counts them."""

    per_million: float
    currency: str

    def of(self, tokens: float) -> float:
        """To the hundredth of a cent."""
        return round(self.per_million * tokens / 1_000_000, 4)


def price_of(alias: str) -> Price | None:
    """None for a model of one's own, and where nobody said what it costs. Raises UnknownEncoder."""
    entry = configuration(alias)
    if not entry.get("PRICE_PER_MILLION"):
        return None
    return Price(
        per_million=float(entry["PRICE_PER_MILLION"]), currency=str(entry.get("CURRENCY", ""))
    )


def is_paid(alias: str) -> bool:
    """Whether its tokens cost money: it has a price, or is a service known to. Raises
    UnknownEncoder."""
    entry = configuration(alias)
    if entry.get("PRICE_PER_MILLION") is not None:
        return bool(entry["PRICE_PER_MILLION"])
    family = family_of(entry["BACKEND"])
    if family is None or family.local:
        return False
    served_by = entry.get("OPTIONS", {}).get("server", OPENAI)
    return family.name == "jina-api" or served_by == OPENAI
