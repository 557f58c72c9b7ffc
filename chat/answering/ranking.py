"""Which sentences of the context answer the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chat.answering.sentences import Sentence, sentences_of
from chat.retrieval.question import encode_whole
from chat.retrieval.results import Retrieval
from embeddings.encoders.base import Encoder, Task
from kb.words import Words, words_of

# Fitted on sentences with known answers; the optimum is flat.
WORDS_WEIGHT = 0.3
PASSAGE_WEIGHT = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedSentence:
    """A sentence, its cosine similarity to the question, the share of the question's words
    in it and its heading (by their weight), and the sum that ranks it."""

    sentence: Sentence
    similarity: float
    words: float
    score: float


def rank_sentences(retrieval: Retrieval, *, encoder: Encoder) -> list[RankedSentence]:
    """The sentences worth a look, best first; one query and one forward pass.

    Only `answer_sentences` of them are encoded: those in the best passages with the most of
    the question's words.
    """
    found = sentences_of(retrieval.context)
    words = [retrieval.legs.terms.coverage([each]) for each in _words(found)]
    order = sorted(range(len(found)), key=lambda i: -(found[i].passage + words[i]))
    chosen = order[: retrieval.settings.answer_sentences]
    similarities = _similarities([found[i] for i in chosen], retrieval, encoder)
    ranked = [
        RankedSentence(
            sentence=found[i],
            similarity=similarity,
            words=words[i],
            score=similarity + WORDS_WEIGHT * words[i] + PASSAGE_WEIGHT * found[i].passage,
        )
        for i, similarity in zip(chosen, similarities, strict=True)
    ]
    return sorted(ranked, key=lambda each: -each.score)


def in_place(sentence: Sentence) -> str:
    """The sentence under its title and heading: "It costs 3 EUR" says little alone.

    Running prose without headings names its subject itself; there the title, repeated in
    front of every sentence, would only make them all alike.
    """
    if not sentence.headings:
        return sentence.text
    return ". ".join([sentence.source.title, sentence.headings[-1], sentence.text])


def _words(sentences: Sequence[Sentence]) -> list[Words]:
    texts = [in_place(each) for each in sentences]
    return words_of(texts, [each.source.language for each in sentences])


def _similarities(
    sentences: Sequence[Sentence], retrieval: Retrieval, encoder: Encoder
) -> list[float]:
    texts = [in_place(each) for each in sentences]
    vectors = encode_whole(encoder, texts, Task.RETRIEVAL_PASSAGE)
    return [float(each) for each in np.clip(vectors @ retrieval.question.vector, -1.0, 1.0)]
