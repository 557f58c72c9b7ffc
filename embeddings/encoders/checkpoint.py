"""Checkpoints in the sentence-transformers layout, read strictly.

Layout: `config.json`, `model.safetensors`, `tokenizer.json` of the transformer,
`sentence_bert_config.json` (max_seq_length) and `1_Pooling/config.json` beside them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.errors import CheckpointInvalid

# Weights that this kind of model has and sentence embeddings do not use.
UNUSED_WEIGHTS = ("pooler.dense.weight", "pooler.dense.bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint's configuration promises, and where its files are."""

    folder: Path
    dimension: int
    positions: int
    max_tokens: int
    digest: str


def package_folder(package: str) -> Path:
    """The `model` folder inside an installed package, which is not imported for it.

    Raises CheckpointInvalid if the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CheckpointInvalid(f"The package {package!r} with the model's weights is missing.")
    return Path(spec.origin).parent / "model"


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and check a checkpoint's configuration; weights are hashed, not loaded.

    Raises CheckpointInvalid for missing files or a pooling other than the masked mean.
    """
    config = _read_json(folder / "config.json")
    sentence = _read_json(folder / "sentence_bert_config.json")
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    if not pooling.get("pooling_mode_mean_tokens"):
        raise CheckpointInvalid(f"{folder}: only mean pooling is supported for this family.")
    if pooling.get("word_embedding_dimension") != config["hidden_size"]:
        raise CheckpointInvalid(f"{folder}: pooling and config.json disagree on the dimension.")
    return Checkpoint(
        folder=folder,
        dimension=config["hidden_size"],
        positions=config["max_position_embeddings"],
        max_tokens=min(sentence["max_seq_length"], config["max_position_embeddings"]),
        digest=_digest(folder / "model.safetensors", folder / "tokenizer.json"),
    )


def load_model(checkpoint: Checkpoint) -> Any:  # noqa: ANN401 - a torch module
    """The transformer in float32 for inference, every weight from the file.

    Raises CheckpointInvalid when weights are missing (transformers would fill them with
    random numbers and only print a report) or unknown ones are found.
    """
    import torch
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    # Its report of unused weights is our check below, which raises instead of printing.
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped library
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped library
    model, report = AutoModel.from_pretrained(
        checkpoint.folder,
        dtype=torch.float32,
        attn_implementation="sdpa",
        local_files_only=True,
        use_safetensors=True,
        add_pooling_layer=False,
        output_loading_info=True,
    )
    missing = sorted(report["missing_keys"])
    unknown = sorted(set(report["unexpected_keys"]) - set(UNUSED_WEIGHTS))
    if missing or unknown:
        raise CheckpointInvalid(
            f"{checkpoint.folder}: weights do not fit the model; missing {missing[:5]}, "
            f"unknown {unknown[:5]}. Get the checkpoint again; nothing was loaded."
        )
    return model.eval()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointInvalid(f"{path} cannot be read: {error}") from error
    return content


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise CheckpointInvalid(f"{path} cannot be read: {error}") from error
    return digest.hexdigest()[:16]
