"""Tokenizers of the two kinds that the families use, trained on a page of text in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXT = [
    "How do I get my money back? A refund is paid to the card within five days.",
    "Connect the calendar in the settings of your account, then choose a time zone.",
    "Represent the query for retrieving evidence documents: query: passage:",
    "Represent the document for retrieval: the title and the whole body of an article.",
    "Größe, naïve café, façade — 日本語の文章です。 これは二つ目の文です。 😀",
    "שלום עולם مرحبا بالعالم",
    "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ .,:;!?-()[]{}#*_`/\\'\"",
]


def write_wordpiece(folder: Path, *, size: int = 400) -> Tokenizer:
    """BERT's kind: lower case, [CLS] text [SEP], pad 0."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=specials, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    tokenizer.post_processor = _template(tokenizer, "[CLS]", "[SEP]", "[SEP]")
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def write_sentencepiece(folder: Path, *, size: int = 500) -> Tokenizer:
    """XLM-RoBERTa's kind: unigram with metaspaces, <s> text </s>, pad 1, NFKC."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    tokenizer.post_processor = _template(tokenizer, "<s>", "</s>", "</s> </s>")
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def _template(tokenizer: Tokenizer, first: str, last: str, between: str) -> Any:
    names = {first, last, *between.split()}
    return processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {between} $B {last}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in sorted(names)],
    )
