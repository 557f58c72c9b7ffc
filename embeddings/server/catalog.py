"""What the server serves, by each name that a request may call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from embeddings.encoders.base import Encoder
from embeddings.encoders.registry import get_local_encoder
from embeddings.rerankers.base import Reranker
from embeddings.rerankers.registry import get_local_reranker
from embeddings.server.problems import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Encoders and rerankers by alias, and aliases by the names of published models."""

    encoders: Mapping[str, Encoder]
    rerankers: Mapping[str, Reranker]
    published: Mapping[str, str]

    def encoder(self, name: str) -> Encoder:
        """Raises Refused (400 INPUT_MODEL_NOT_FOUND) that lists what there is."""
        found = self.encoders.get(name) or self.encoders.get(self.published.get(name, ""))
        if found is None:
            raise _not_found(name, self.encoders)
        return found

    def reranker(self, name: str) -> Reranker:
        """Raises Refused likewise."""
        found = self.rerankers.get(name)
        if found is None:
            raise _not_found(name, self.rerankers)
        return found

    def listing(self) -> list[dict[str, Any]]:
        """As `/v1/models` answers; each model under its alias."""
        listed = [_listed(alias, encoder) for alias, encoder in self.encoders.items()]
        return listed + [
            {"id": alias, "object": "model", "created": 0, "owned_by": "unabridged"}
            for alias in self.rerankers
        ]


def load_catalog(encoders: Sequence[str], rerankers: Sequence[str]) -> Catalog:
    """Build and load each of them now. Raises what an encoder raises that cannot be loaded."""
    built = {alias: get_local_encoder(alias) for alias in encoders}
    ranking = {alias: get_local_reranker(alias) for alias in rerankers}
    everything: list[Encoder | Reranker] = [*built.values(), *ranking.values()]
    for each in everything:
        load = getattr(each, "load", None)
        if load:
            load()
        _ = each.fingerprint  # reads all of the files: now rather than in the first answer
    return Catalog(
        encoders=built,
        rerankers=ranking,
        published=published_names(built),
    )


def published_names(encoders: Mapping[str, Encoder]) -> dict[str, str]:
    """Aliases by published name, where only one of the encoders has that name: a name that two
    share would mean whichever came last."""
    names = [_published(alias, encoder) for alias, encoder in encoders.items()]
    return {
        name: alias for name, alias in zip(names, encoders, strict=True) if names.count(name) == 1
    }


def _published(alias: str, encoder: Encoder) -> str:
    return str(getattr(encoder, "name", alias))


def _listed(alias: str, encoder: Encoder) -> dict[str, Any]:
    return {
        "id": alias,
        "object": "model",
        "created": 0,
        "owned_by": "unabridged",
        "name": _published(alias, encoder),
        "fingerprint": encoder.fingerprint,
        "dimension": encoder.dimension,
        "context_length": encoder.window,
        "licence": settings.ENCODERS.get(alias, {}).get("LICENCE", ""),
    }


def _not_found(name: str, known: Mapping[str, object]) -> Refused:
    listed = ", ".join(known) or "none"
    return Refused(
        400, "INPUT_MODEL_NOT_FOUND", f"No model {name!r} is served here; there are: {listed}."
    )
