"""Everything the product reads from the environment, typed, in one place.

Unset `DATABASE_URL` and `REDIS_URL` mean the embedded servers: `manage.py` starts them and
sets both before Django reads its settings (`config.runtime`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(BaseSettings):
    """One attribute per variable; the name in capitals is the variable's name."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True)

    database_url: str = "postgresql://unabridged@127.0.0.1:5432/unabridged"
    database_pool: bool = True
    redis_url: str = "redis://127.0.0.1:6379/0"
    secret_key: SecretStr | None = None
    debug: bool = False
    allowed_hosts: list[str] = Field(default=["127.0.0.1", "localhost", "[::1]"])
    csrf_trusted_origins: list[str] = Field(default=[])
    https: bool = False
    trusted_proxies: int = Field(default=0, ge=0, le=5)

    default_encoder: str = "minilm"
    encoder_threads: int = Field(default=0, ge=0, le=256)
    # A TOML file of encoders beside the shipped ones (docs/encoders.md).
    encoders_file: Path | None = None
    # Unset, each process has its own copy of the weights; else `serve_encoder` has them.
    encoder_url: str = ""
    encoder_api_key: SecretStr | None = None
    encoder_cache_dir: Path | None = None
    # Checkpoints by their hub names (owner/name), looked into before the hub.
    models_dir: Path | None = None
    jina_api_key: SecretStr | None = None
    jina_plan: Literal["free", "tier1", "tier2"] = "free"
    # A folder with jina-v3's tokenizer.json: exact counts instead of estimates.
    jina_tokenizer: str = ""
    remote_api_key: SecretStr | None = None

    # An OpenAI-compatible server and a model of it, for words: both or none.
    llm_base_url: str = ""
    llm_api_key: SecretStr | None = None
    llm_model: str = ""

    # Up to so many vectors in scope are compared one by one; a larger index version gets HNSW.
    exact_search_vectors: int = Field(default=20_000, ge=1)
    hnsw_build_memory_mb: int = Field(default=2_048, ge=64)
    # A build whose HNSW index finds less of the exact ten nearest is failed.
    hnsw_min_recall: float = Field(default=0.95, ge=0, le=1)
    # How long a replaced index version is kept, at least, to be rolled back to.
    index_soak_hours: float = Field(default=24, ge=0)

    # How far workers stand back for questions that this machine answers too (man nice).
    worker_nice: int = Field(default=10, ge=0, le=19)
    sweep_seconds: int = Field(default=60, ge=1, le=3600)
    lease_seconds: int = Field(default=120, ge=2, le=3600)

    # For trying: webhooks may go to addresses of our own network, and by http to this machine.
    webhook_allow_private: bool = False

    # Where collectstatic puts files; unset, they are served from where they lie.
    static_root: Path | None = None

    log_level: str = "INFO"
    log_json: bool = False
    metrics_token: SecretStr | None = None


@cache
def environment() -> Environment:
    """The environment as it was when first asked for.

    Raises pydantic.ValidationError that names the variable and what is wrong with it.
    """
    return Environment()
