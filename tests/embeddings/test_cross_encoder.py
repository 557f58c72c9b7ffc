"""Cross-encoders against transformers, one pair at a time, and sentence-transformers."""

from __future__ import annotations

import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_django import Settings
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from embeddings.errors import CheckpointInvalid, TextNotEmbeddable
from embeddings.rerankers.cross_encoder import CrossEncoderReranker
from embeddings.rerankers.registry import UnknownReranker, forget_rerankers, get_reranker
from tests.checkpoints.bge_m3 import write_cross_encoder

KINDS = ["xlm-roberta", "bert"]
QUESTION = "How do I get my money back?"
DOCUMENTS = [
    "A refund is paid to the card within five days.",
    "Connect the calendar.",
    "",
    "Größe, naïve café 😀 " * 4,
    "The title and the whole body of an article, then choose a time zone. " * 2,
    "refund",
]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint of each kind for the module, not to be changed."""
    return write_cross_encoder(tmp_path_factory.mktemp(request.param), kind=request.param)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A checkpoint to spoil."""
    return Path(shutil.copytree(folder, tmp_path / "model"))


def edit_json(path: Path, **values: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def edit_weights(folder: Path, **changed: Any) -> None:
    """Replace (or with None remove) weights; names with __ for dots."""
    state = load_file(folder / "model.safetensors")
    for name, value in changed.items():
        key = name.replace("__", ".")
        old = state.pop(key)
        if value is not None:
            state[key] = torch.full_like(old, value)
    save_file(state, folder / "model.safetensors")


def reference_scores(folder: Path) -> list[float]:
    """Pair by pair, by transformers alone."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = []
    for document in DOCUMENTS:
        inputs = tokenizer([[QUESTION, document]], return_tensors="pt")
        with torch.inference_mode():
            scores.append(1 / (1 + math.exp(-model(**inputs).logits.item())))
    return scores


def test_scores_equal_those_of_transformers(folder: Path) -> None:
    scores = CrossEncoderReranker(checkpoint=str(folder)).rerank(QUESTION, DOCUMENTS)
    assert scores == pytest.approx(reference_scores(folder), abs=1e-5)
    assert max(scores) - min(scores) > 0.02
    assert all(type(score) is float for score in scores)


def test_scores_equal_those_of_sentence_transformers(folder: Path) -> None:
    reference = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    expected = reference.predict([(QUESTION, each) for each in DOCUMENTS], batch_size=1)
    scores = CrossEncoderReranker(checkpoint=str(folder)).rerank(QUESTION, DOCUMENTS)
    assert scores == pytest.approx(expected.tolist(), abs=1e-5)


def test_scores_are_in_the_order_of_the_documents(folder: Path) -> None:
    reranker = CrossEncoderReranker(checkpoint=str(folder))
    backwards = reranker.rerank(QUESTION, DOCUMENTS[::-1])
    assert backwards[::-1] == pytest.approx(reranker.rerank(QUESTION, DOCUMENTS), abs=1e-5)


def test_company_in_the_batch_does_not_change_scores(folder: Path) -> None:
    reranker = CrossEncoderReranker(checkpoint=str(folder))
    many = DOCUMENTS * 20  # several batches
    alone = [reranker.rerank(QUESTION, [each])[0] for each in DOCUMENTS]
    assert reranker.rerank(QUESTION, many) == pytest.approx(alone * 20, abs=1e-5)


def test_many_threads_may_ask_at_once(folder: Path) -> None:
    reranker = CrossEncoderReranker(checkpoint=str(folder))
    questions = [f"{QUESTION} {number}" for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda each: reranker.rerank(each, DOCUMENTS), questions))
    for question, scores in zip(questions, answers, strict=True):
        assert scores == pytest.approx(reranker.rerank(question, DOCUMENTS), abs=1e-5)


def test_question_and_document_are_not_interchangeable(folder: Path) -> None:
    reranker = CrossEncoderReranker(checkpoint=str(folder))
    (there,) = reranker.rerank(QUESTION, DOCUMENTS[:1])
    (back,) = reranker.rerank(DOCUMENTS[0], [QUESTION])
    assert there != pytest.approx(back, abs=1e-4)


def test_types_of_the_pair_reach_the_model(tmp_path: Path) -> None:
    write_cross_encoder(tmp_path, kind="bert")
    before = CrossEncoderReranker(checkpoint=str(tmp_path)).rerank(QUESTION, DOCUMENTS)
    state = load_file(tmp_path / "model.safetensors")
    state["bert.embeddings.token_type_embeddings.weight"][1] *= -1
    save_file(state, tmp_path / "model.safetensors")
    after = CrossEncoderReranker(checkpoint=str(tmp_path)).rerank(QUESTION, DOCUMENTS)
    assert after != pytest.approx(before, abs=1e-3)


def test_no_documents_no_scores(folder: Path) -> None:
    assert CrossEncoderReranker(checkpoint=str(folder)).rerank(QUESTION, []) == []


def test_large_logits_do_not_become_ties(copy: Path) -> None:
    name = "bert__pooler__dense__weight" if is_bert(copy) else "classifier__dense__weight"
    edit_weights(copy, **{name: 0.0})
    bias = "classifier__bias" if is_bert(copy) else "classifier__out_proj__bias"
    scores = []
    for logit in (20.0, 21.0):
        edit_weights(copy, **{bias: logit})
        scores += CrossEncoderReranker(checkpoint=str(copy)).rerank(QUESTION, ["refund"])
    assert scores[0] < scores[1] <= 1


def is_bert(folder: Path) -> bool:
    """By the configuration."""
    return bool(json.loads((folder / "config.json").read_text())["model_type"] == "bert")


def test_window_is_all_positions(folder: Path) -> None:
    assert CrossEncoderReranker(checkpoint=str(folder)).window == (128 if is_bert(folder) else 8192)


def test_pair_over_the_window_is_refused_not_cut(copy: Path) -> None:
    positions = "roberta.embeddings.position_embeddings.weight"
    if not is_bert(copy):
        edit_json(copy / "config.json", max_position_embeddings=130)
        state = load_file(copy / "model.safetensors")
        save_file(state | {positions: state[positions][:130].clone()}, copy / "model.safetensors")
    reranker = CrossEncoderReranker(checkpoint=str(copy))
    assert reranker.window == 128
    tokenizer = AutoTokenizer.from_pretrained(copy)
    documents = [" ".join("x" * number) + end for number in range(128) for end in ("", "x")]
    by_length = {len(tokenizer([["x", each]]).input_ids[0]): each for each in documents}
    assert len(reranker.rerank("x", [by_length[128]])) == 1
    with pytest.raises(TextNotEmbeddable, match="of 129 tokens together do not fit the 128"):
        reranker.rerank("x", ["short", by_length[129]])


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_one_label_is_refused(tmp_path: Path, kind: Any) -> None:
    write_cross_encoder(tmp_path, kind=kind, labels=2)
    with pytest.raises(CheckpointInvalid, match="the model has 2 labels, a reranker one"):
        CrossEncoderReranker(checkpoint=str(tmp_path)).rerank(QUESTION, DOCUMENTS)


def test_missing_classifier_is_refused(copy: Path) -> None:
    name = "classifier__weight" if is_bert(copy) else "classifier__out_proj__weight"
    edit_weights(copy, **{name: None})
    with pytest.raises(CheckpointInvalid, match=name.replace("__", r"\.")):
        CrossEncoderReranker(checkpoint=str(copy)).rerank(QUESTION, DOCUMENTS)


def test_pooler_is_needed_where_it_makes_the_score(tmp_path: Path) -> None:
    write_cross_encoder(tmp_path, kind="bert")
    edit_weights(tmp_path, bert__pooler__dense__weight=None)
    with pytest.raises(CheckpointInvalid, match=r"bert\.pooler\.dense\.weight"):
        CrossEncoderReranker(checkpoint=str(tmp_path)).rerank(QUESTION, DOCUMENTS)


def test_broken_files_are_refused(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointInvalid, match=copy.name):
        CrossEncoderReranker(checkpoint=str(copy)).rerank(QUESTION, DOCUMENTS)
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointInvalid, match=r"tokenizer\.json cannot be read"):
        CrossEncoderReranker(checkpoint=str(copy)).rerank(QUESTION, DOCUMENTS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "jina"}, "model_type 'jina'"),
        ({"auto_map": {"AutoModel": "modeling.Model"}}, "code of their own"),
        ({"pad_token_id": None}, "lacks pad_token_id"),
        ({"vocab_size": 100}, "100 embeddings"),
    ],
)
def test_other_configuration_is_refused(
    copy: Path, values: dict[str, object], message: str
) -> None:
    edit_json(copy / "config.json", **values)
    with pytest.raises(CheckpointInvalid, match=message):
        CrossEncoderReranker(checkpoint=str(copy)).rerank(QUESTION, DOCUMENTS)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    reranker = CrossEncoderReranker(checkpoint=str(tmp_path / "none"))
    with pytest.raises(CheckpointInvalid, match="no folder"):
        reranker.rerank(QUESTION, DOCUMENTS)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_changed_file_changes_the_fingerprint(copy: Path, name: str) -> None:
    before = CrossEncoderReranker(checkpoint=str(copy)).fingerprint
    assert CrossEncoderReranker(checkpoint=str(copy)).fingerprint == before
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    assert CrossEncoderReranker(checkpoint=str(copy)).fingerprint != before


def test_rerankers_come_from_the_settings(folder: Path, settings: Settings) -> None:
    settings.RERANKERS = {
        "small": {
            "BACKEND": "embeddings.rerankers.cross_encoder.CrossEncoderReranker",
            "OPTIONS": {"checkpoint": str(folder)},
        }
    }
    forget_rerankers()
    reranker = get_reranker("small")
    assert reranker is get_reranker("small")
    assert len(reranker.rerank(QUESTION, DOCUMENTS)) == len(DOCUMENTS)
    forget_rerankers()
    assert reranker is not get_reranker("small")
    forget_rerankers()
    with pytest.raises(UnknownReranker, match="'large'; configured are: small"):
        get_reranker("large")
