"""Every family of encoders on something small and real: tiny checkpoints, packages, servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from config.encoders import encoder_presets
from embeddings.encoders.api.served import ServedEncoder
from embeddings.encoders.families import FAMILIES
from embeddings.encoders.models.jina_v3 import jina_v3
from embeddings.server.catalog import Catalog
from tests.checkpoints.bge_m3 import write_bge_m3
from tests.checkpoints.jina_v2 import write_jina_v2
from tests.checkpoints.jina_v3 import write_jina_v3
from tests.checkpoints.sentence_layout import PROMPTS, write_sentence_layout
from tests.conftest import HASH_ENCODERS
from tests.standins.encoder_server import running_server
from tests.standins.jina_server import KEY, JinaServer
from tests.standins.openai_server import DIMENSION, ModelServer

# A tiny random model cannot tell meanings apart; these can.
MEANINGFUL = ("hash", "hash-wide", "minilm", "minilm-int8", "e5-embedded", "jina-api", "remote")
# Behind our own encoder server, which has the weights; same fingerprints as without it.
SERVED = ("served-v3",)
TINY = ("jina-v3", "jina-v2", "jina-v2-code", "bge-m3", "short")


@cache
def tiny_encoders(folder: Path) -> dict[str, dict[str, Any]]:
    """Settings of the families on tiny checkpoints, written below `folder` once."""
    for name in TINY:
        if name != "short":
            (folder / name).mkdir(parents=True)
    write_jina_v3(folder / "jina-v3")
    write_jina_v2(folder / "jina-v2", variant="plain", heads=8, glu="geglu")
    write_jina_v2(folder / "jina-v2-code", variant="qk-post-norm", heads=12, glu="geglu")
    write_bge_m3(folder / "bge-m3")
    write_sentence_layout(folder / "short", prompts=PROMPTS)
    return {name: entry(name.removesuffix("-code"), checkpoint=str(folder / name)) for name in TINY}


@contextmanager
def all_encoders(folder: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """Settings of every encoder; the servers behind some run while the block does."""
    tiny = tiny_encoders(folder)
    v3 = jina_v3(**tiny["jina-v3"]["OPTIONS"])
    catalog = Catalog(encoders={"jina-v3": v3}, rerankers={}, published={})
    with JinaServer() as jina, ModelServer("tei") as tei, running_server(catalog) as ours:
        yield {
            **HASH_ENCODERS,
            **packaged_encoders(),
            **tiny,
            "jina-api": entry("jina-api", url=jina.url, api_key=KEY, model="jina-embeddings-v3"),
            "remote": entry(
                "remote", url=tei.url, model="any", dimension=DIMENSION, window=512, server="tei"
            ),
            "served-v3": {
                "BACKEND": "tests.families.served_v3",
                "OPTIONS": {"url": ours, "checkpoint": tiny["jina-v3"]["OPTIONS"]["checkpoint"]},
                "STRATEGY": "whole_late",
            },
        }


def served_v3(*, url: str, checkpoint: str, strategy: str) -> ServedEncoder:
    """As the registry makes it with ENCODER_URL."""
    return ServedEncoder(
        jina_v3(checkpoint=checkpoint, strategy=strategy), alias="jina-v3", url=url
    )


def packaged_encoders() -> dict[str, dict[str, Any]]:
    """Those whose weights come as Python packages, as they are shipped."""
    presets = encoder_presets()
    return {name: presets[name] for name in ("minilm", "minilm-int8", "e5-embedded")}


def entry(family: str, **options: Any) -> dict[str, Any]:
    """Settings of one encoder of a family."""
    chosen = FAMILIES[family]
    return {"BACKEND": chosen.backend, "OPTIONS": options, "STRATEGY": chosen.strategy}
