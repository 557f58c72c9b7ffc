"""Late chunking as pure functions, by properties."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.encoders.late import (
    join_states,
    long_windows,
    pool_spans,
    token_spans,
    weighted_mean,
)


@given(st.integers(1, 400), st.integers(2, 60), st.data())
def test_windows_drop_exactly_what_they_repeat(total: int, size: int, data: st.DataObject) -> None:
    """With states that depend on the token alone, windows and a single pass agree exactly."""
    overlap = data.draw(st.integers(0, size - 1))
    single = np.random.default_rng(total).normal(size=(total, 3)).astype(np.float32)
    windows = long_windows(total, size=size, overlap=overlap)
    outputs = [single[w.first : w.last] for w in windows]
    assert all(0 < len(states) <= size for states in outputs)
    assert all(w.last - w.first > w.repeated for w in windows)
    assert np.array_equal(join_states(outputs, windows), single)


def test_each_later_window_sees_the_overlap_as_left_context() -> None:
    places = [(w.first, w.last, w.repeated) for w in long_windows(20, size=10, overlap=4)]
    assert places == [(0, 10, 0), (6, 16, 4), (12, 20, 4)]


def test_overlap_as_large_as_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="below size"):
        long_windows(20, size=10, overlap=10)


def test_special_tokens_go_to_the_first_and_the_last_passage() -> None:
    """As the reference does: [CLS], prompt and title to the first, [SEP] to the last."""
    spans = token_spans([0, 4, 8, 12], [(0, 8), (8, 16)], before=3, total=8)
    assert spans == [(0, 5), (5, 8)]


def test_one_token_article_takes_everything() -> None:
    assert token_spans([0], [(0, 5)], before=7, total=9) == [(0, 9)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 4))
def test_passages_add_up_to_the_article(sizes: list[int], before: int) -> None:
    edges = np.cumsum([0, *sizes]).tolist()
    total = before + edges[-1] + 1
    starts = list(range(edges[-1]))
    spans = token_spans(starts, list(pairwise(edges)), before=before, total=total)
    assert [last for _, last in spans[:-1]] == [first for first, _ in spans[1:]]
    states = np.random.default_rng(total).normal(size=(total, 4)).astype(np.float32)
    pooled = pool_spans(states, spans)
    mean = weighted_mean(pooled, [last - first for first, last in spans])
    assert mean == pytest.approx(states.mean(axis=0), abs=1e-5)


def test_pooling_is_the_mean_of_the_span() -> None:
    states = np.array([[1, 0], [3, 2], [5, 7]], dtype=np.float32)
    assert pool_spans(states, [(0, 2), (2, 3), (3, 3)]).tolist() == [[2, 1], [5, 7], [0, 0]]
