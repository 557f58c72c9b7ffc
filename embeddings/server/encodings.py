"""Vectors as the answers write them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from embeddings.server.wire import EmbeddingType

Row: TypeAlias = NDArray[np.float32]


def write_vector(vector: Row, forms: Sequence[EmbeddingType]) -> Any:  # noqa: ANN401 - JSON
    """In the one form that was asked for, or an object of several by their names."""
    if len(forms) == 1:
        return _WRITERS[forms[0]](vector)
    return {form: _WRITERS[form](vector) for form in forms}


def to_base64(vector: Row) -> str:
    """float32, little endian."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _binary(vector: Row) -> list[int]:
    """Signs packed eight to a signed byte."""
    signed = np.packbits(vector > 0).astype(np.int16) - 128
    return [int(each) for each in signed]


def _ubinary(vector: Row) -> list[int]:
    return [int(each) for each in np.packbits(vector > 0)]


_WRITERS: Mapping[EmbeddingType, Callable[[Row], Any]] = {
    "float": lambda vector: vector.tolist(),
    "base64": to_base64,
    "binary": _binary,
    "ubinary": _ubinary,
}
