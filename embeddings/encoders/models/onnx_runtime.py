"""Backbone over ONNX Runtime: the same weights, quicker on CPU (docs/decisions/005).

The model is traced once into a graph, which is kept in a cache folder together with what
PyTorch makes of two probe texts; no graph is used before it has answered the probes alike.

"int8" quantises the weights of matrix products per output channel and their inputs as they
come (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html), with
weights of 7 bits, because processors without VNNI overflow with 8. The product that ends each
feed-forward layer stays in float32: half of the error came from it. Inputs share one scale per
run, so texts of a batch would change each other's vectors; hence one input a run, which needs
neither padding nor a mask, and for passages is as quick as a batch.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import structlog
import torch
from django.conf import settings

from embeddings.encoders.backbone import Ids
from embeddings.encoders.base import Task
from embeddings.encoders.checkpoint import digest, load_transformer, read_json, weight_files
from embeddings.encoders.models.transformer import TransformerBackbone
from embeddings.encoders.tokenizer import load_tokenizer
from embeddings.encoders.vectors import unit_rows
from embeddings.errors import CheckpointInvalid, EncoderUnavailable

log = structlog.get_logger(__name__)

# How alike (cosine) the mean states of a probe must be to PyTorch's.
AGREEMENT = {"float32": 0.9999, "int8": 0.97}
PROBES = ("How do I get my money back?", "Größe: 5 €. Open the settings, then choose a day. " * 6)
EXPECTED = "expected_means"  # in the graph's metadata
OPSET = 17
RECIPE = 2  # of the graphs; those of another one in the cache are not used
LARGEST_GRAPH = 2_000_000_000  # bytes; protobuf holds 2 GiB
LIBRARIES = ("onnx", "onnxruntime", "torch", "transformers")

_tracing = threading.Lock()  # the exporter and the filter of warnings are the process's


class OnnxBackbone:
    """A checkpoint that TransformerBackbone takes too, in "float32" or "int8", on CPU."""

    wide = False

    def __init__(
        self, folder: Path, *, precision: str = "float32", cache_dir: Path | None = None
    ) -> None:
        if precision not in AGREEMENT:
            known = ", ".join(AGREEMENT)
            raise CheckpointInvalid(f"Precision {precision!r} is not known; known are {known}.")
        self._folder, self._precision, self._cache_dir = folder, precision, cache_dir
        self._described = TransformerBackbone(folder)  # config.json; never loads its weights
        self._loading = threading.Lock()

    @property
    def hidden(self) -> int:
        """Width of the token states."""
        return self._described.hidden

    @property
    def positions(self) -> int:
        """Most tokens of one forward pass, special tokens included."""
        return self._described.positions

    def load(self) -> None:
        """Open the graph, made first where it is not in the cache; two threads do not make it
        twice, two processes may. Raises CheckpointInvalid or EncoderUnavailable (disk)."""
        with self._loading:
            self._session  # noqa: B018 - opens

    def states(self, inputs: Sequence[Ids], tasks: Sequence[Task]) -> list[torch.Tensor]:  # noqa: ARG002 - no adapters
        """One run on one core for each input."""
        self.load()
        return [torch.from_numpy(_run(self._session, ids)) for ids in inputs]

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - an untyped library's class
        _ = self._described.config  # refused before its weights are read
        path, probes = self._graph_path(), self._probes()
        if path.exists():
            try:
                return open_checked(path, probes, at_least=AGREEMENT[self._precision])
            except CheckpointInvalid as error:
                log.warning("encoder_graph_made_again", path=str(path), reason=str(error))
        started = time.monotonic()
        _export_to(path, self._folder, self._precision, probes)
        seconds = round(time.monotonic() - started, 1)
        log.info("encoder_graph_made", path=str(path), seconds=seconds)
        return open_checked(path, probes, at_least=AGREEMENT[self._precision])

    def _graph_path(self) -> Path:
        """A name that changes with everything that the graph depends on."""
        for library in ("onnx", "onnxruntime"):
            _library(library)
        made_of = digest([*weight_files(self._folder), self._folder / "config.json"])
        versions = "-".join(version(library) for library in LIBRARIES)
        return (
            _cache_folder(self._cache_dir) / f"{made_of}-{self._precision}-{RECIPE}-{versions}.onnx"
        )

    def _probes(self) -> list[list[int]]:
        tokenizer = load_tokenizer(
            self._folder, vocabulary=int(self._described.config["vocab_size"])
        )
        return [tokenizer.wrap(tokenizer.ids(text))[: self.positions] for text in PROBES]


def open_checked(path: Path, probes: Sequence[Ids], *, at_least: float) -> Any:  # noqa: ANN401 - an untyped library's class
    """A session of one thread over the graph at `path`.

    Raises CheckpointInvalid when the file is damaged, or when the mean states of a probe have a
    cosine below `at_least` to what PyTorch made of it.
    """
    runtime: Any = _library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        expected = json.loads(session.get_modelmeta().custom_metadata_map[EXPECTED])
        means = [_run(session, ids).mean(axis=0) for ids in probes]
    except Exception as error:  # the library's errors have no common class
        raise CheckpointInvalid(f"{path} cannot be used: {error}") from error
    cosines = (unit_rows(np.stack(means)) * unit_rows(np.array(expected))).sum(axis=1)
    if not cosines.min() >= at_least:  # also when it is not a number
        raise CheckpointInvalid(
            f"{path}: on this machine the graph disagrees with PyTorch (cosine "
            f"{cosines.min():.5f}, not {at_least}); use the runtime torch."
        )
    return session


def _run(session: Any, ids: Ids) -> np.ndarray[Any, np.dtype[np.float32]]:  # noqa: ANN401 - an untyped library's class
    """Token states, shape (len(ids), hidden)."""
    [states] = session.run(["states"], {"input_ids": np.array([ids], dtype=np.int64)})
    result: np.ndarray[Any, np.dtype[np.float32]] = states[0]
    return result


def _export_to(path: Path, folder: Path, precision: str, probes: Sequence[Ids]) -> None:
    """Written beside `path` and renamed, so that nobody ever opens half a file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix="making-") as parts:
            plain, ready = Path(parts) / "plain.onnx", Path(parts) / "ready.onnx"
            expected = _trace(folder, plain, probes)
            if precision == "int8":
                _quantise(plain, ready, kept=_feed_forward_ends(plain, folder))
            _add_expected(ready if precision == "int8" else plain, ready, expected)
            ready.replace(path)
    except OSError as error:
        raise EncoderUnavailable(
            f"The graph of {folder} cannot be written to {path.parent} ({error}): set "
            "ENCODER_CACHE_DIR to a folder with room for it."
        ) from error


class _States(torch.nn.Module):
    """Ids of shape (1, tokens) in, last hidden states out; no mask."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Shape (1, tokens, hidden)."""
        states: torch.Tensor = self.model(input_ids=input_ids).last_hidden_state
        return states


def _trace(folder: Path, path: Path, probes: Sequence[Ids]) -> list[list[float]]:
    """Write the float32 graph; returns PyTorch's own mean states of each probe."""
    with (
        _tracing,
        torch.inference_mode(mode=False),
        torch.no_grad(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # this exporter is called old, and warns of constants
        model = _States(load_transformer(folder, dtype=torch.float32, add_pooling_layer=False))
        _refuse_large(folder, model)
        torch.onnx.export(
            model.eval(),
            (torch.tensor([probes[0]]),),
            str(path),
            input_names=["input_ids"],
            output_names=["states"],
            dynamic_axes={"input_ids": {1: "tokens"}, "states": {1: "tokens"}},
            opset_version=OPSET,
            dynamo=False,  # the new one needs onnxscript
        )
        return [model(torch.tensor([ids]))[0].mean(dim=0).tolist() for ids in probes]


def _refuse_large(folder: Path, model: torch.nn.Module) -> None:
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    if size > LARGEST_GRAPH:
        raise CheckpointInvalid(
            f"{folder}: {size / 1e9:.1f} GB of weights do not fit one ONNX file; use the "
            "runtime torch."
        )


def _feed_forward_ends(graph: Path, folder: Path) -> list[str]:
    """Names of the products that end the feed-forward layers: known by their weights' shape."""
    config = read_json(folder / "config.json")
    shape = [config.get("intermediate_size"), config["hidden_size"]]
    onnx: Any = _library("onnx")
    parts = onnx.load(str(graph)).graph
    weights = {each.name for each in parts.initializer if list(each.dims) == shape}
    return [node.name for node in parts.node if weights.intersection(node.input)]


def _quantise(source: Path, target: Path, *, kept: list[str]) -> None:
    quantization: Any = _library("onnxruntime.quantization")
    root = logging.getLogger()  # the library tells it about every tensor
    root.addFilter(_not_of_the_library)
    try:
        quantization.quantize_dynamic(
            str(source),
            str(target),
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_exclude=kept,
        )
    finally:
        root.removeFilter(_not_of_the_library)


def _not_of_the_library(record: logging.LogRecord) -> bool:
    return "onnxruntime" not in record.pathname


def _add_expected(source: Path, target: Path, expected: list[list[float]]) -> None:
    onnx: Any = _library("onnx")
    graph = onnx.load(str(source))
    onnx.helper.set_model_props(graph, {EXPECTED: json.dumps(expected)})
    onnx.save(graph, str(target))


def _cache_folder(given: Path | None) -> Path:
    """`given`, or ENCODER_CACHE_DIR, or a folder of this user's own for temporary files."""
    configured = given or getattr(settings, "ENCODER_CACHE_DIR", None)
    if configured:
        return Path(configured)
    folder = Path(tempfile.gettempdir()) / f"encoder-graphs-{os.getuid()}"
    if folder.exists() and folder.stat().st_uid != os.getuid():
        raise CheckpointInvalid(f"{folder} is another user's: set ENCODER_CACHE_DIR.")
    return folder


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise CheckpointInvalid(
            f"The runtime onnx needs a library that is missing ({error}): "
            "pip install onnxruntime onnx."
        ) from error
