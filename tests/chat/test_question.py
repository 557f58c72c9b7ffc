"""Questions: what is refused, and that nothing of a long one is cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from chat.errors import QuestionRejected
from chat.retrieval.question import (
    RESERVED_TOKENS,
    clean_question,
    encode_question,
    encode_whole,
    split_to_window,
)
from embeddings.encoders.base import Matrix, Task
from embeddings.encoders.hash import HashEncoder
from kb.terms import WeightedText


class NarrowEncoder(HashEncoder):
    """Takes ten tokens at a time, and says so when it gets more."""

    def __init__(self) -> None:
        super().__init__()
        self.window = RESERVED_TOKENS + 10

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        assert all(tokens <= 10 for tokens in self.count_tokens(texts))
        return super().encode(texts, task)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n\t ",
        "\u200b\u200d",
        "what\x00is this",
        "what \x1b[31m is this",
        "a lone \ud800 surrogate",
        "a" * 4001,
        "a" * 100_000,
    ],
)
def test_bad_questions_are_refused(text: str) -> None:
    with pytest.raises(QuestionRejected) as refused:
        clean_question(text)
    assert refused.value.field == "question"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  how? \n", "how?"),
        ("one\r\ntwo", "one\ntwo"),
        ("🤷", "🤷"),
        ("退款要多久?", "退款要多久?"),
        ("tab\there", "tab\there"),
    ],
)
def test_good_questions_lose_only_outer_space(text: str, clean: str) -> None:
    assert clean_question(text) == clean


def test_limit_is_a_setting(settings: Settings) -> None:
    settings.CHAT_MAX_QUESTION_CHARACTERS = 5
    assert clean_question("12345") == "12345"
    with pytest.raises(QuestionRejected, match="6 characters; at most 5"):
        clean_question("123456")


def test_short_question_is_one_part() -> None:
    encoder = HashEncoder()
    question = encode_question(encoder, "how long does it take")
    assert question.parts == ("how long does it take",)
    assert np.allclose(question.vector, encoder.encode_queries(["how long does it take"])[0])


def test_long_question_is_averaged_over_all_its_parts() -> None:
    encoder = NarrowEncoder()
    words = [f"word{number}" for number in range(37)]
    question = encode_question(encoder, " ".join(words))
    assert len(question.parts) > 3
    assert " ".join(question.parts).split() == words
    mean = encoder.encode_queries(question.parts).mean(axis=0)
    assert np.allclose(question.vector, mean / np.linalg.norm(mean), atol=1e-6)
    assert np.isclose(np.linalg.norm(question.vector), 1.0)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300))
def test_parts_hold_every_visible_character(text: str) -> None:
    parts = split_to_window(NarrowEncoder(), text)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_texts_over_the_window_are_means_and_none_is_cut() -> None:
    encoder = NarrowEncoder()
    texts = ["short", " ".join(["long"] * 25), "short too"]
    vectors = encode_whole(encoder, texts, Task.RETRIEVAL_PASSAGE)
    assert vectors.shape == (3, encoder.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.allclose(vectors[0], encoder.encode(["short"], Task.RETRIEVAL_PASSAGE)[0])
    assert encode_whole(encoder, [], Task.RETRIEVAL_PASSAGE).shape == (0, encoder.dimension)


def test_turns_before_add_their_direction_by_their_weight() -> None:
    encoder = HashEncoder()
    alone = encode_question(encoder, "for my spouse").vector
    before = encode_question(encoder, "the pension").vector
    turn = WeightedText(text="the pension", weight=0.5)
    asked = encode_question(encoder, "for my spouse", [turn])
    expected = alone + 0.5 * before
    assert asked.vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    assert asked.text == "for my spouse"
    assert [each.weight for each in asked.texts] == [1.0, 0.5]


def test_question_and_history_over_the_window_are_asked_in_parts() -> None:
    encoder = NarrowEncoder()
    long = " ".join(f"word{number}" for number in range(25))
    turns = [WeightedText(text=f"before {long}", weight=0.7), WeightedText(text="so", weight=0.5)]
    asked = encode_question(encoder, long, turns)
    assert " ".join(asked.parts) == long
    assert np.linalg.norm(asked.vector) == pytest.approx(1.0)
    own = encode_question(encoder, long).vector
    assert 0.5 < float(asked.vector @ own) < 1
