"""From any text to inputs and back: exact offsets, nothing lost, on real tokenizers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from embeddings.encoders.base import Document, Task
from embeddings.encoders.cuts import Cut, cut_into_windows, cut_late
from embeddings.encoders.local import LocalEncoder
from embeddings.encoders.models.jina_v3 import PROMPTS, jina_v3
from embeddings.encoders.strategies import cutting_for
from embeddings.encoders.tokenizer import TextTokenizer, load_tokenizer
from embeddings.encoders.vectors import shorten
from embeddings.errors import TextNotEmbeddable, TextTooLong
from tests.checkpoints.jina_v3 import write_jina_v3
from tests.checkpoints.tokenizer_files import write_sentencepiece, write_wordpiece

PROMPT = PROMPTS[Task.RETRIEVAL_PASSAGE]
# Emoji with joiners, combining marks, right-to-left, full width, Chinese, Markdown.
PIECES = [
    "👩‍👧‍👦",
    "e\u0301",
    "שלום",
    "مرحبا",
    "日本語。",
    "ａ",
    "# ",
    "\n\n",
    "- ",
    " ",
    "refund ",
    "Größe. ",
]
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=60).map("".join)


@pytest.fixture(scope="module", params=["wordpiece", "sentencepiece"])
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> TextTokenizer:
    """Both kinds."""
    folder = tmp_path_factory.mktemp("tokenizer")
    (write_wordpiece if request.param == "wordpiece" else write_sentencepiece)(folder)
    return load_tokenizer(folder)


def embed(cut: Cut) -> tuple[list[tuple[int, int]], int, int]:
    """Ranges of the passages, tokens, covered characters; each state is (its token's id, 1)."""
    states = [np.array([[number, 1] for number in ids], dtype=np.float32) for ids in cut.inputs]
    outputs = states if cut.late else [each.mean(axis=0) for each in states]
    embedded = cut.assemble(outputs, 2)
    assert np.isfinite(embedded.vector).all()
    ranges = [(passage.start, passage.end) for passage in embedded.passages]
    return ranges, embedded.tokens, embedded.covered_characters


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=TEXT, body=TEXT, size=st.integers(2, 30))
@example(title="", body="x", size=2)
@example(title="Title", body=" " * 9 + "\u0301", size=2)
@example(title="👩‍👧‍👦", body="日本語。" * 30, size=7)
def test_late_passages_tile_body_and_sequence(
    tokenizer: TextTokenizer, title: str, body: str, size: int
) -> None:
    cutting = cutting_for(
        "whole_late", window=64, pooling="mean", passage_tokens=size, overlap=0, window_overlap=16
    )
    try:
        cut = cut_late(Document(title=title, body=body), tokenizer, cutting, prompt=PROMPT)
    except TextNotEmbeddable:
        assume(False)
    ranges, tokens, covered = embed(cut)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(body) == covered
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    sequence = sum(len(ids) for ids in cut.inputs) - sum(w.repeated for w in cut.windows)
    assert cut.spans[0][0] == 0
    assert cut.spans[-1][1] == sequence
    assert all(before[1] == after[0] for before, after in pairwise(cut.spans))
    assert sum(cut.sizes) == tokens
    # A single character may be more tokens than a passage should have ("½" is 1⁄2).
    [text] = tokenizer.tokenize([body])
    firsts = Counter(tokenizer.first_characters(body, text))
    assert max(cut.sizes) <= max(size, *firsts.values(), 0)
    assert all(len(ids) <= 64 for ids in cut.inputs)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=TEXT, body=TEXT, size=st.integers(4, 30))
def test_windows_cover_the_body_and_fit_the_model(
    tokenizer: TextTokenizer, title: str, body: str, size: int
) -> None:
    cutting = cutting_for(
        "windows", window=64, pooling="cls", whole_pass=True, passage_tokens=size, overlap=size // 4
    )
    try:
        cut = cut_into_windows(Document(title=title, body=body), tokenizer, cutting, prompt=PROMPT)
    except TextNotEmbeddable:
        assume(False)
    ranges, _, covered = embed(cut)
    assert covered == len(body)
    assert all(after[0] <= before[1] for before, after in pairwise(ranges))
    assert all(len(ids) <= 64 for ids in cut.inputs)
    assert len(cut.inputs) == len(ranges) + cut.whole


def test_each_late_passage_is_the_mean_of_its_own_tokens(tokenizer: TextTokenizer) -> None:
    """Special tokens, prompt and title belong to the first, the closing one to the last."""
    body = "A refund is paid. " * 6 + "\n\n# Calendar\n\n" + "Connect the calendar. " * 6
    cutting = cutting_for("whole_late", window=512, pooling="mean", passage_tokens=12, overlap=0)
    cut = cut_late(Document(title="Money", body=body), tokenizer, cutting, prompt=PROMPT)
    [ids] = cut.inputs
    assert ids == tokenizer.wrap(tokenizer.ids(f"{PROMPT}Money\n\n{body}"))
    own = [tokenizer.ids(body[start:end].strip()) for start, end in cut.ranges]
    spans = [ids[first:last] for first, last in cut.spans]
    front = ids[: len(ids) - len(tokenizer.suffix) - cut.tokens]  # <s>, prompt and title
    expected = [[*front, *own[0]], *own[1:-1], [*own[-1], *tokenizer.suffix]]
    space = tokenizer.token_id("▁")  # of white space that belongs to no word
    assert [[i for i in span if i != space] for span in spans] == [
        [i for i in span if i != space] for span in expected
    ]
    assert len(spans) > 3
    states = np.array([[number, 1] for number in ids], dtype=np.float32)
    embedded = cut.assemble([states], 2)
    for passage, span in zip(embedded.passages, spans, strict=True):
        assert passage.vector[0] / passage.vector[1] == pytest.approx(np.mean(span), rel=1e-4)
    assert embedded.vector[0] / embedded.vector[1] == pytest.approx(np.mean(ids), rel=1e-4)


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=40), st.integers(1, 4))
def test_shortened_vectors_keep_their_direction(numbers: list[float], dimension: int) -> None:
    vector = np.array([numbers], dtype=np.float32)
    short = shorten(vector, dimension)[0]
    norm = np.linalg.norm(vector[0, :dimension])
    if norm < 1e-6:
        assert np.abs(short).max() <= 1
        return
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-5)
    assert short * norm == pytest.approx(vector[0, :dimension], abs=1e-4)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LocalEncoder:
    """A jina-v3 whose window is 64 tokens."""
    folder = write_jina_v3(tmp_path_factory.mktemp("tiny"), positions=66)
    return jina_v3(checkpoint=str(folder))


@settings(deadline=None, max_examples=200)
@given(text=TEXT)
def test_truncating_keeps_a_beginning_that_fits(tiny: LocalEncoder, text: str) -> None:
    [kept] = tiny.truncate([text], Task.RETRIEVAL_QUERY)
    assert text.startswith(kept)
    tiny.pool([kept], Task.RETRIEVAL_QUERY)  # is not refused
    if kept != text:
        with pytest.raises(TextTooLong):
            tiny.pool([text], Task.RETRIEVAL_QUERY)
