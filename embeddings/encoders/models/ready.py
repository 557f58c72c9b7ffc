"""A loaded model made ready: on its device, with this machine's quickest matrix products."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
import torch
from torch import nn

from embeddings.encoders.compute import device

log = structlog.get_logger(__name__)

Model = TypeVar("Model", bound=nn.Module)

PROBE_ROWS, PROBE_ROUNDS = 256, 5
# So much quicker it has to be, or PyTorch's own way is kept.
WORTH = 0.9


def make_ready(name: str, model: Model, *, started: float) -> Model:
    """Moves the model, picks its products, and says in the log what was loaded, how large it
    is and how long it took since `started` (time.monotonic())."""
    model = model.to(device())
    quick = device().type == "cpu" and use_onednn(model)
    weights = list(model.parameters())
    log.info(
        "encoder_loaded",
        model=name,
        parameters=sum(weight.numel() for weight in weights),
        megabytes=round(sum(w.numel() * w.element_size() for w in weights) / 1e6),
        device=str(device()),
        products="oneDNN" if quick else "PyTorch",
        seconds=round(time.monotonic() - started, 1),
    )
    return model


class OneDnnLinear(nn.Linear):
    """nn.Linear by oneDNN, which uses all of a processor where MKL does not (AMD: twice as
    quick). PyTorch has it for its own compiler only, so it is tried before it is used."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name
        """As nn.Linear; the same numbers to some 1e-6."""
        output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001 - see above
            input, self.weight, self.bias, "none", [], ""
        )
        return output


def use_onednn(model: nn.Module) -> bool:
    """Give a float32 model's linear layers oneDNN's product, if it is there and quicker."""
    linears = [module for module in model.modules() if type(module) is nn.Linear]
    if not linears or any(each.weight.dtype != torch.float32 for each in linears):
        return False
    largest = max(linears, key=lambda each: each.weight.numel())
    if not _is_quicker(largest):
        return False
    for each in linears:
        each.__class__ = OneDnnLinear  # the weights stay where they are
    return True


def _is_quicker(linear: nn.Linear) -> bool:
    rows = torch.linspace(-1, 1, PROBE_ROWS * linear.in_features).reshape(PROBE_ROWS, -1)

    def onednn() -> torch.Tensor:
        return OneDnnLinear.forward(linear, rows)  # type: ignore[arg-type]  # its parent

    try:
        with torch.inference_mode():
            if not torch.allclose(onednn(), linear(rows), rtol=1e-3, atol=1e-4):
                return False
            return _seconds(onednn) < WORTH * _seconds(lambda: linear(rows))
    except (AttributeError, RuntimeError):  # another build of PyTorch: its own way then
        return False


def _seconds(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(PROBE_ROUNDS):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)
