"""Vectors made unit length and shorter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.encoders.base import Matrix, Vector


def unit_rows(vectors: NDArray[np.floating]) -> Matrix:
    """Rows of unit length; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Matrix = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


def unit_mean(vectors: Sequence[Vector] | Matrix) -> Vector:
    """The mean of some vectors, made unit length."""
    mean = np.asarray(vectors, dtype=np.float64).mean(axis=0)
    unit: Vector = unit_rows(mean[None])[0]
    return unit


def shorten(vectors: NDArray[np.float32], dimension: int) -> Matrix:
    """The first `dimension` numbers of each row, unit length again (Matryoshka
    representations, arXiv 2205.13147)."""
    return unit_rows(vectors[:, :dimension])
