"""Text to tokens and back to characters, by the model's own tokenizer; nothing is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from embeddings.encoders.utf8 import utf8
from embeddings.errors import CheckpointInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A text without special tokens: ids, (start, end) characters and word numbers."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    words: list[int | None]


class TextTokenizer:
    """A `tokenizers` tokenizer and the special tokens that its model wants around a text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()  # some files ask to cut at 128 tokens
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.prefix, self.suffix = _specials(tokenizer)

    @property
    def special_tokens(self) -> int:
        """How many special tokens stand around a text."""
        return len(self.prefix) + len(self.suffix)

    @property
    def largest_id(self) -> int:
        """The largest token id that can come out."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return max(vocabulary.values())

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Each text without special tokens."""
        return [
            Tokens(ids=each.ids, offsets=each.offsets, words=each.word_ids)
            for each in self._encode(texts)
        ]

    def ids(self, text: str) -> list[int]:
        """Token ids of one text, without special tokens."""
        encoding: Encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return list(encoding.ids)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        return [len(each.ids) for each in self._encode(texts)]

    def wrap(self, ids: Sequence[int]) -> list[int]:
        """The ids with the special tokens around them, ready for the model."""
        return [*self.prefix, *ids, *self.suffix]

    def pairs(self, first: str, seconds: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """A text with each of the others, as the tokenizer's template joins them: ids with
        special tokens, and of which of the two texts each is (0 or 1)."""
        utf8("".join([first, *seconds]))
        encodings: list[Encoding] = self._tokenizer.encode_batch(
            [(first, each) for each in seconds]
        )
        return [(each.ids, each.type_ids) for each in encodings]

    def token_id(self, token: str) -> int | None:
        """Its number, or None."""
        number: int | None = self._tokenizer.token_to_id(token)
        return number

    @staticmethod
    def first_characters(text: str, tokens: Tokens) -> list[int]:
        """Where each token's first character stands that is not white space: metaspace
        tokenizers count the space before a word as part of it."""
        return [_skip_space(text, start, end) for start, end in tokens.offsets]

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        utf8("".join(texts))  # Rust's strings hold whole characters only
        encodings: list[Encoding] = self._tokenizer.encode_batch(
            list(texts), add_special_tokens=False
        )
        return encodings


def _skip_space(text: str, start: int, end: int) -> int:
    while start < end - 1 and text[start].isspace():
        start += 1
    return start


def load_tokenizer(folder: Path, *, vocabulary: int | None = None) -> TextTokenizer:
    """The tokenizer of a checkpoint: its tokenizer.json, or one made of its vocabulary files.

    `vocabulary` is how many embeddings the model has. Raises CheckpointInvalid when the
    tokenizer cannot be read or makes ids that the model has no embedding for.
    """
    file = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(file)) if file.exists() else _convert(folder)
    except Exception as error:
        raise CheckpointInvalid(f"{file} cannot be read: {error}") from error
    result = TextTokenizer(tokenizer)
    if vocabulary is not None and result.largest_id >= vocabulary:
        raise CheckpointInvalid(
            f"{folder}: the tokenizer makes ids up to {result.largest_id}, but the model has "
            f"{vocabulary} embeddings: the files are of different models."
        )
    return result


def _convert(folder: Path) -> Any:  # noqa: ANN401 - an untyped library's class
    """For older checkpoints, which hold only a vocabulary (vocab.txt, sentencepiece)."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer


def _specials(tokenizer: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the tokenizer's template puts before and after a text."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    ids, special = list(encoding.ids), list(encoding.special_tokens_mask)
    content = [place for place, mark in enumerate(special) if not mark]
    if not content:
        raise CheckpointInvalid("The tokenizer cannot encode the letter 'a'; it is not usable.")
    return tuple(ids[: content[0]]), tuple(ids[content[-1] + 1 :])
