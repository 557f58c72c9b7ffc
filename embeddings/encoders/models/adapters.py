"""LoRA adapters in PEFT's layout, loaded strictly (LoRA: arXiv 2106.09685)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from embeddings.encoders.checkpoint import UNREADABLE, read_json, unreadable
from embeddings.errors import CheckpointInvalid

# PEFT names a tensor of adapter X `….lora_A.X.weight`; its file leaves the X out.
MARKS = ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B")


def load_adapters(base: Any, folder: Path, names: Sequence[str]) -> Any:  # noqa: ANN401 - torch modules
    """`base` with every adapter in it, none merged, ready for inference.

    Raises CheckpointInvalid when an adapter is missing, is not a LoRA, or does not fill
    exactly the tensors that it configures with the numbers of its file.
    """
    from peft import PeftModel

    _check_files(folder, names)
    # peft asks transformers by a name that is on its way out; nothing for a user to do.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
    first, *others = names
    options: dict[str, Any] = {"is_trainable": False, "autocast_adapter_dtype": False}
    try:
        model = PeftModel.from_pretrained(base, folder / first, adapter_name=first, **options)
        for name in others:
            model.load_adapter(folder / name, adapter_name=name, **options)
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    for name in names:
        _check_loaded(model, folder / name, name)
    return model.eval()


def _check_files(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        config = read_json(folder / name / "adapter_config.json")
        if config.get("peft_type") != "LORA":
            raise CheckpointInvalid(f"{folder / name} is not a LoRA adapter.")
        if not (folder / name / "adapter_model.safetensors").exists():
            raise CheckpointInvalid(f"{folder / name}: adapter_model.safetensors is missing.")


def _check_loaded(model: torch.nn.Module, folder: Path, name: str) -> None:
    """Each tensor of the file is in the model under its adapter's name, and no other is."""
    filed = {
        _name_in_model(key, name): value
        for key, value in load_file(folder / "adapter_model.safetensors").items()
    }
    state = model.state_dict()
    loaded = {key for key in state if any(f".{mark}.{name}" in key for mark in MARKS)}
    missing, unknown = sorted(loaded - filed.keys()), sorted(filed.keys() - loaded)
    if missing or unknown:
        raise CheckpointInvalid(
            f"{folder}: the adapter does not fit the model; missing {missing[:3]}, "
            f"unknown {unknown[:3]}. Get the checkpoint again; nothing was loaded."
        )
    for key, value in filed.items():
        if not torch.equal(state[key].cpu(), value.to(state[key].dtype)):
            raise CheckpointInvalid(f"{folder}: {key} was not loaded from the file.")


def _name_in_model(key: str, name: str) -> str:
    for mark in MARKS:
        before, found, after = key.rpartition(f".{mark}")
        if found and not after.startswith("_"):
            return f"{before}.{mark}.{name}{after}"
    return key
