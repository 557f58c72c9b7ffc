"""jina-v3 on a tiny checkpoint, against W + scale·B·A computed by hand and merged."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import JinaEmbeddingsV3Model

from embeddings.encoders.base import Document, Matrix, Task
from embeddings.encoders.local import LocalEncoder
from embeddings.encoders.models.jina_v3 import JinaV3Backbone, jina_v3
from embeddings.encoders.tokenizer import load_tokenizer
from embeddings.errors import CheckpointInvalid, EncoderUnavailable, TextNotEmbeddable
from tests.checkpoints.jina_v3 import ALPHA, RANK, write_jina_v3

TEXT = "How do I get my money back? A refund is paid within five days."
# Written out here too: a slip in the product's own tables must not pass.
ADAPTERS = {
    "retrieval.query": "retrieval_query",
    "retrieval.passage": "retrieval_passage",
    "separation": "separation",
    "classification": "classification",
    "text-matching": "text_matching",
}
PROMPTS = {
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
}
REVISION = "d18862d9a48706220815554fac3ebb4dfa46fc28"
TEXTS = [TEXT, "Größe — 日本語 😀", "a", "Connect the calendar in the settings. " * 9]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint for the module."""
    return write_jina_v3(tmp_path_factory.mktemp("jina-v3"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> LocalEncoder:
    """One encoder for the module."""
    return jina_v3(checkpoint=str(folder))


def merged(folder: Path, task: Task) -> Any:
    """The base model with one adapter added into its weights, without PEFT."""
    model: Any = JinaEmbeddingsV3Model.from_pretrained(folder, add_pooling_layer=False)
    model.eval()
    lora = load_file(folder / ADAPTERS[task] / "adapter_model.safetensors")
    weights = dict(model.named_parameters())
    changed = 0
    with torch.no_grad():
        for key, a in lora.items():
            if not key.endswith(("lora_A.weight", "lora_embedding_A")):
                continue
            name = key.removeprefix("base_model.model.").partition(".lora_")[0] + ".weight"
            b = lora[key.replace("lora_A", "lora_B").replace("embedding_A", "embedding_B")]
            delta = (ALPHA / RANK) * (b @ a)
            weights[name] += delta.T if "embedding" in key else delta
            changed += 1
    assert changed == 2 * 6 + 1
    return model


def reference(folder: Path, text: str, task: Task) -> Matrix:
    """Prompt, one unpadded pass through the merged model, mean, unit length."""
    ids = load_tokenizer(folder).wrap(load_tokenizer(folder).ids(PROMPTS.get(task, "") + text))
    with torch.inference_mode():
        states = merged(folder, task)(input_ids=torch.tensor([ids])).last_hidden_state[0]
    mean: Matrix = states.mean(dim=0).numpy()
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize("task", list(Task))
def test_each_task_runs_through_its_own_adapter(
    folder: Path, encoder: LocalEncoder, task: Task
) -> None:
    for text, vector in zip(TEXTS, encoder.encode(TEXTS, task), strict=True):
        assert np.abs(vector - reference(folder, text, task)).max() < 1e-5


def test_questions_are_asked_with_the_query_adapter_and_prompt(
    folder: Path, encoder: LocalEncoder
) -> None:
    [vector] = encoder.encode_queries([TEXT])
    assert np.abs(vector - reference(folder, TEXT, Task.RETRIEVAL_QUERY)).max() < 1e-5


def test_the_five_tasks_give_five_vectors(encoder: LocalEncoder) -> None:
    vectors = np.concatenate([encoder.encode([TEXT], task) for task in Task])
    assert np.triu(vectors @ vectors.T, 1).max() < 0.97


def test_rows_of_several_tasks_in_one_batch_keep_their_own_adapter(folder: Path) -> None:
    backbone = JinaV3Backbone(folder)
    tokenizer = load_tokenizer(folder)
    inputs = [tokenizer.wrap(tokenizer.ids(text)) for text in (*TEXTS, TEXT)]
    tasks = list(Task)
    with torch.inference_mode():
        backbone.states(inputs[:1], [Task.TEXT_MATCHING])  # leaves an adapter active
        together = backbone.states(inputs, tasks)
        for ids, task, states in zip(inputs, tasks, together, strict=True):
            [alone] = backbone.states([ids], [task])
            assert torch.abs(states - alone).max() < 1e-4


@pytest.mark.parametrize("dimension", [32, 33, 48, 64])
def test_shorter_vectors_are_the_beginning_made_unit_length(
    folder: Path, encoder: LocalEncoder, dimension: int
) -> None:
    short = jina_v3(checkpoint=str(folder), dimension=dimension)
    [vector] = short.encode_queries([TEXT])
    [full] = encoder.encode_queries([TEXT])
    assert vector.shape == (dimension,)
    beginning = full[:dimension] / np.linalg.norm(full[:dimension])
    assert vector == pytest.approx(beginning, abs=1e-6)
    assert (short.fingerprint == encoder.fingerprint) == (dimension == 64)


@pytest.mark.parametrize("dimension", [0, 31, 65])
def test_dimension_out_of_range_is_refused(folder: Path, dimension: int) -> None:
    with pytest.raises(CheckpointInvalid, match="32 to 64 dimensions"):
        jina_v3(checkpoint=str(folder), dimension=dimension)


def test_an_article_is_one_pass_and_its_passages_are_parts_of_it(
    folder: Path, encoder: LocalEncoder
) -> None:
    body = "# Refunds\n\nA refund is paid within five days. " * 40
    (embedded,) = encoder.encode_documents([Document(title="Money", body=body)])
    whole = reference(folder, f"Money\n\n{body}", Task.RETRIEVAL_PASSAGE)
    assert embedded.vector == pytest.approx(whole, abs=1e-5)
    assert len(embedded.passages) > 3
    assert max(passage.tokens for passage in embedded.passages) <= 200
    assert sum(passage.tokens for passage in embedded.passages) == embedded.tokens


def test_a_question_over_the_window_is_refused(tmp_path: Path) -> None:
    encoder = jina_v3(checkpoint=str(write_jina_v3(tmp_path, positions=66)))
    assert encoder.window == 64
    with pytest.raises(TextNotEmbeddable, match="does not fit the 64"):
        encoder.encode_queries([TEXT * 5])


def test_an_article_over_the_window_is_covered_by_overlapping_passes(tmp_path: Path) -> None:
    encoder = jina_v3(
        checkpoint=str(write_jina_v3(tmp_path, positions=130)), passage_tokens=20, overlap=4
    )
    body = " ".join(f"Sentence {number} of the article." for number in range(60))
    (embedded,) = encoder.encode_documents([Document(title="Long", body=body)])
    assert embedded.tokens > 4 * encoder.window
    assert embedded.covered_characters == len(body)
    states = windowed_states(tmp_path, f"Long\n\n{body}", size=128, overlap=32)
    last = embedded.passages[-1]
    mean = states[-(last.tokens + 1) :].mean(axis=0)  # its tokens, and </s>
    assert last.vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-4)
    whole = states.mean(axis=0)
    assert embedded.vector == pytest.approx(whole / np.linalg.norm(whole), abs=1e-4)


def windowed_states(folder: Path, text: str, *, size: int, overlap: int) -> Matrix:
    """Token states of an article in overlapping passes, by hand: each pass after the first
    begins with the last `overlap` tokens of the one before, whose states are dropped."""
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.wrap(tokenizer.ids(PROMPTS["retrieval.passage"] + text))
    model = merged(folder, Task.RETRIEVAL_PASSAGE)
    kept: list[Matrix] = []
    with torch.inference_mode():
        for first in range(0, len(ids) - overlap, size - overlap):
            output = model(input_ids=torch.tensor([ids[first : first + size]]))
            kept.append(output.last_hidden_state[0, overlap if first else 0 :].numpy())
    return np.concatenate(kept)


def test_threads_do_not_change_each_others_adapter(folder: Path) -> None:
    backbone = JinaV3Backbone(folder)
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.wrap(tokenizer.ids(TEXT * 4))
    tasks = list(Task)
    with torch.inference_mode():
        alone = {task: backbone.states([ids], [task])[0] for task in tasks}

    def differs(number: int) -> float:
        task = tasks[number % len(tasks)]
        with torch.inference_mode():
            return float(torch.abs(backbone.states([ids], [task])[0] - alone[task]).max())

    with ThreadPoolExecutor(5) as threads:
        assert max(threads.map(differs, range(150))) < 1e-4


def test_published_checkpoint_is_fetched_at_its_pinned_revision_without_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(write_jina_v3(tmp_path))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    jina_v3()
    assert (asked["name"], asked["revision"]) == ("jinaai/jina-embeddings-v3-hf", REVISION)
    assert not any(pattern.endswith((".py", ".bin", ".pt")) for pattern in asked["allow_patterns"])


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A checkpoint to spoil."""
    return Path(shutil.copytree(folder, tmp_path / "model"))


def encode(folder: Path) -> Matrix:
    """What loads everything."""
    return jina_v3(checkpoint=str(folder)).encode_queries(["hello"])


def test_missing_weights_are_an_error(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layers.1.mixer.Wqkv.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointInvalid, match=r"layers\.1\.self_attn"):
        encode(copy)


def test_missing_adapter_is_an_error(copy: Path) -> None:
    shutil.rmtree(copy / "separation")
    with pytest.raises(CheckpointInvalid, match="separation"):
        encode(copy)


@pytest.mark.parametrize("change", ["lacks a tensor", "has one too many"])
def test_adapter_that_does_not_fit_is_an_error(copy: Path, change: str) -> None:
    file = copy / "classification" / "adapter_model.safetensors"
    weights = load_file(file)
    key = "base_model.model.layers.0.mlp.fc1.lora_A.weight"
    if change == "lacks a tensor":
        del weights[key]
    else:
        weights[key.replace("fc1", "fc3")] = torch.zeros(4, 64)
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointInvalid, match="classification"):
        encode(copy)


def test_repository_with_code_of_its_own_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    changed = config | {"model_type": "xlm-roberta", "auto_map": {"AutoModel": "x--y.Z"}}
    (copy / "config.json").write_text(json.dumps(changed))
    with pytest.raises(CheckpointInvalid, match="jinaai/jina-embeddings-v3-hf"):
        jina_v3(checkpoint=str(copy))


def test_changed_adapter_changes_the_fingerprint(copy: Path, encoder: LocalEncoder) -> None:
    file = copy / "retrieval_query" / "adapter_model.safetensors"
    weights = {key: value + 0.01 for key, value in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    changed = jina_v3(checkpoint=str(copy)).fingerprint
    assert changed.partition("@")[2] != encoder.fingerprint.partition("@")[2]


def test_checkpoint_that_cannot_be_had_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderUnavailable, match="MODELS_DIR"):
        jina_v3(checkpoint="jinaai/never-seen-here")
