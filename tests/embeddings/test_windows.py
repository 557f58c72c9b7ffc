"""Windows: nothing is left out, nothing is over the size, offsets are exact."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from embeddings.encoders.batching import token_batches
from embeddings.encoders.windows import covered_characters, cut_windows


def tokens_of(count: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Tokens of three characters with a space between, two to a word."""
    return [(4 * i, 4 * i + 3) for i in range(count)], [i // 2 for i in range(count)]


@given(
    total=st.integers(0, 3000),
    size=st.integers(2, 400),
    share=st.floats(0, 0.9),
)
def test_windows_cover_every_token_within_the_size(total: int, size: int, share: float) -> None:
    overlap = int((size - 1) * share)
    offsets, words = tokens_of(total)
    length = 4 * total + 2
    windows = cut_windows(offsets, words, length=length, size=size, overlap=overlap)
    seen: set[int] = set()
    for window in windows:
        assert window.last - window.first <= size
        seen.update(range(window.first, window.last))
    assert seen == set(range(total))
    assert covered_characters(windows) == length
    assert windows[0].start == 0
    assert windows[-1].end == length


@given(total=st.integers(201, 3000))
def test_neighbours_overlap_and_none_is_a_crumb(total: int) -> None:
    offsets, words = tokens_of(total)
    windows = cut_windows(offsets, words, length=4 * total, size=200, overlap=40)
    for before, after in itertools.pairwise(windows):
        assert 15 <= before.last - after.first <= 45
    assert min(window.last - window.first for window in windows) > 80


def test_window_starts_at_a_word_where_one_is_near() -> None:
    offsets, words = tokens_of(1000)
    windows = cut_windows(offsets, words, length=4000, size=201, overlap=40)
    assert all(window.first % 2 == 0 for window in windows)


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(100, 4000))
def test_batches_hold_each_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(token_batches(lengths, budget=budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[index] for index in batch) * len(batch)
        assert padded <= budget or len(batch) == 1
