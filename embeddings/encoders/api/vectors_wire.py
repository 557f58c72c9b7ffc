"""Vectors as APIs send them: checked before anything believes them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import Matrix


class InvalidResponse(ValueError):
    """An answer that cannot be what was asked for; says what is wrong with it."""


def read_data(data: object, *, count: int, dimension: int) -> Matrix:
    """OpenAI's and Jina's `data`, items {index, embedding}: shape (count, dimension).

    Rows are in the order of `index`, whatever the order of the items; of any length, not zero.
    Raises InvalidResponse.
    """
    items = in_order(data, count=count)
    return read_rows([item.get("embedding") for item in items], count=count, dimension=dimension)


def read_rows(rows: object, *, count: int, dimension: int) -> Matrix:
    """Rows of numbers or of base64 float32 (little endian): shape (count, dimension).

    Raises InvalidResponse.
    """
    if not isinstance(rows, list) or len(rows) != count:
        raise InvalidResponse(f"{_size(rows)} vectors for {count} texts")
    matrix = np.empty((count, dimension), dtype=np.float32)
    for number, row in enumerate(rows):
        vector = _decode(row)
        if vector.shape != (dimension,):
            raise InvalidResponse(f"a vector of shape {vector.shape} instead of ({dimension},)")
        matrix[number] = vector
    if not np.isfinite(matrix).all():
        raise InvalidResponse("a vector with numbers that are not finite")
    if not matrix.any(axis=1).all():
        raise InvalidResponse("a vector of nothing but zeros")
    return matrix


def in_order(items: object, *, count: int) -> list[Mapping[str, Any]]:
    """Items in the order of their `index`, which must be each of 0 to count - 1 once.

    Raises InvalidResponse.
    """
    if not isinstance(items, list) or len(items) != count:
        raise InvalidResponse(f"{_size(items)} results for {count} texts")
    placed: dict[int, Mapping[str, Any]] = {
        item["index"]: item
        for item in items
        if isinstance(item, dict) and type(item.get("index")) is int
    }
    if sorted(placed) != list(range(count)):
        raise InvalidResponse(f"results whose indexes are not 0 to {count - 1}, each once")
    return [placed[index] for index in range(count)]


def _decode(row: object) -> NDArray[np.float32]:
    if isinstance(row, str):
        return _from_base64(row)
    if not isinstance(row, Sequence) or not all(type(x) in {int, float} for x in row):
        raise InvalidResponse("a vector that is neither numbers nor base64")
    try:
        with np.errstate(over="ignore"):  # infinite is found out by the caller
            return np.asarray(row, dtype=np.float64).astype(np.float32)
    except OverflowError as error:
        raise InvalidResponse("a vector with numbers that are not finite") from error


def _from_base64(text: str) -> NDArray[np.float32]:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)
    except (binascii.Error, ValueError) as error:
        raise InvalidResponse("a vector that is not base64 of float32") from error


def _size(items: object) -> str:
    return str(len(items)) if isinstance(items, list) else "no list of"
