"""Short-context sentence encoders (MiniLM and its like): windows with the title in front.

Mean pooling over the last hidden state and unit length, as in Sentence-BERT
(arXiv 1908.10084). An article's vector is the mean of its windows' vectors, made unit
length again. The title in front of each window tells a window from the middle of an
article what it is about.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from embeddings.encoders.base import Document, EmbeddedDocument, Matrix, Passage, Task
from embeddings.encoders.batching import token_batches
from embeddings.encoders.checkpoint import (
    Checkpoint,
    load_model,
    package_folder,
    read_checkpoint,
)
from embeddings.encoders.compute import map_batches
from embeddings.encoders.windows import Window, covered_characters, cut_windows
from embeddings.errors import CheckpointInvalid, TextNotEmbeddable

BATCH_TOKENS = 2048
SPECIAL_TOKENS = 2  # [CLS] and [SEP]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A document as windows, and the token ids of each window's forward pass."""

    windows: list[Window]
    inputs: list[list[int]]
    tokens: int


class ShortEncoder:
    """A BERT-like encoder from an installed package or a folder; one task space for all."""

    def __init__(
        self,
        *,
        package: str = "",
        folder: str = "",
        passage_tokens: int = 200,
        overlap: int = 40,
    ) -> None:
        self._folder = Path(folder) if folder else package_folder(package)
        self._name = package or self._folder.name
        self._passage_tokens = passage_tokens
        self._overlap = overlap
        self._loading = threading.Lock()

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Configuration and digest of the files."""
        return read_checkpoint(self._folder)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.checkpoint.dimension

    @property
    def window(self) -> int:
        """Most tokens of a question, special tokens included."""
        return self.checkpoint.max_tokens

    @property
    def fingerprint(self) -> str:
        """Changes with the weights, the tokenizer and the way of cutting."""
        cutting = f"windows={self._passage_tokens}/{self._overlap}:title:mean:unit"
        return f"short:{self._name}@{self.checkpoint.digest}:{cutting}"

    def encode_documents(self, documents: Sequence[Document]) -> list[EmbeddedDocument]:
        """Windows of all documents together in token-budgeted batches."""
        cuts = [self._cut(document) for document in documents]
        vectors = self._encode_ids([ids for cut in cuts for ids in cut.inputs])
        results, first = [], 0
        for cut in cuts:
            last = first + len(cut.windows)
            results.append(_assemble(cut, vectors[first:last]))
            first = last
        return results

    def encode_queries(self, questions: Sequence[str]) -> Matrix:
        """Questions and passages share one space in this family."""
        return self.encode(questions, Task.RETRIEVAL_QUERY)

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:  # noqa: ARG002 - one space for all tasks
        """Raises TextNotEmbeddable for a text that does not fit the window."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        for encoding in encodings:
            if len(encoding.ids) + SPECIAL_TOKENS > self.window:
                raise TextNotEmbeddable(
                    f"A text of {len(encoding.ids)} tokens does not fit the {self.window} of "
                    f"{self._name}; split it."
                )
        return self._encode_ids([self._with_specials(encoding.ids) for encoding in encodings])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in encodings]

    def _cut(self, document: Document) -> _Cut:
        body, title = self._tokenizer.encode_batch(
            [document.body, document.title], add_special_tokens=False
        )
        if not body.ids and not title.ids:
            raise TextNotEmbeddable("The article has no text that this model can read.")
        windows = cut_windows(
            body.offsets,
            body.word_ids,
            length=len(document.body),
            size=self._passage_tokens,
            overlap=self._overlap,
        )
        return _Cut(
            windows=windows, inputs=self._inputs(title, body, windows), tokens=len(body.ids)
        )

    def _inputs(self, title: Encoding, body: Encoding, windows: list[Window]) -> list[list[int]]:
        # A repeated title is a hint, not content: it takes what the passage leaves.
        room = self.checkpoint.positions - SPECIAL_TOKENS - self._passage_tokens
        prefix = title.ids[:room]
        return [self._with_specials(prefix + body.ids[w.first : w.last]) for w in windows]

    def _with_specials(self, ids: list[int]) -> list[int]:
        return [self._cls, *ids, self._sep]

    def _encode_ids(self, inputs: list[list[int]]) -> Matrix:
        batches = list(token_batches([len(ids) for ids in inputs], budget=BATCH_TOKENS))
        outputs = map_batches(lambda batch: self._forward([inputs[i] for i in batch]), batches)
        vectors = np.empty((len(inputs), self.dimension), dtype=np.float32)
        for batch, output in zip(batches, outputs, strict=True):
            vectors[batch] = output
        return vectors

    def _forward(self, inputs: list[list[int]]) -> Matrix:
        longest = max(len(ids) for ids in inputs)
        ids = torch.zeros((len(inputs), longest), dtype=torch.long)
        mask = torch.zeros((len(inputs), longest), dtype=torch.long)
        for row, tokens in enumerate(inputs):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        with torch.inference_mode():
            padded = len({len(tokens) for tokens in inputs}) > 1
            output = self._model(input_ids=ids, attention_mask=mask if padded else None)
            weights = mask.unsqueeze(-1).to(torch.float32)
            mean = (output.last_hidden_state * weights).sum(1) / weights.sum(1)
            unit: Matrix = torch.nn.functional.normalize(mean, dim=1).numpy()
        return unit

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_truncation()  # the file asks to cut at 128; nothing is cut here
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _cls(self) -> int:
        return self._token_id("[CLS]")

    @cached_property
    def _sep(self) -> int:
        return self._token_id("[SEP]")

    def _token_id(self, token: str) -> int:
        number: int | None = self._tokenizer.token_to_id(token)
        if number is None:
            raise CheckpointInvalid(f"{self._folder}: the tokenizer has no {token} token.")
        return number

    @cached_property
    def _loaded(self) -> Any:  # noqa: ANN401 - a torch module
        return load_model(self.checkpoint)

    @property
    def _model(self) -> Any:  # noqa: ANN401 - a torch module
        with self._loading:  # cached_property alone would let two threads load twice
            return self._loaded


def _assemble(cut: _Cut, vectors: Matrix) -> EmbeddedDocument:
    passages = tuple(
        Passage(start=w.start, end=w.end, tokens=w.last - w.first, vector=vector)
        for w, vector in zip(cut.windows, vectors, strict=True)
    )
    mean = vectors.mean(axis=0)
    return EmbeddedDocument(
        vector=mean / max(float(np.linalg.norm(mean)), 1e-12),
        passages=passages,
        tokens=cut.tokens,
        covered_characters=covered_characters(cut.windows),
    )
