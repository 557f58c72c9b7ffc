"""English-looking articles that nobody wrote, the same ones for the same seed.

Words follow a Zipf-Mandelbrot law over a vocabulary of 30,000: the real words of the sample
knowledge base at the top, coined ones below. Each article keeps to the words of a topic, so
that its passages repeat them as people's do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE = Path(__file__).resolve().parents[2] / "kb" / "sample" / "articles"
VOCABULARY = 30_000
TOPIC_WORDS, TOPIC_SHARE = 40, 0.25
COMMON = 300  # ranks above this are nobody's topic
PASSAGES_PER_ARTICLE = 5
WORDS = (100, 160)  # of a passage, least and most
SENTENCE = 14
QUESTION_WORDS = 6
ONSETS = ("b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "pl", "st", "tr")
RHYMES = ("al", "an", "ar", "el", "en", "er", "in", "is", "on", "or", "um", "ant", "ent", "ist")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticArticle:
    """A title that is unique, passages that are its paragraphs, and its topic's number."""

    title: str
    passages: tuple[str, ...]
    topic: int

    @property
    def body(self) -> str:
        """Paragraphs with an empty line between them."""
        return "\n\n".join(self.passages)


@dataclass(slots=True)
class Writer:
    """Writes articles and asks questions; `topics` is how many subjects there are."""

    topics: int
    seed: int = 1
    _words: NDArray[np.str_] = field(init=False, repr=False)
    _chances: NDArray[np.float64] = field(init=False, repr=False)
    _random: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Chances of words: 1 / (rank + 2.7)."""
        self._words = np.array(vocabulary())
        falling = 1 / (np.arange(len(self._words)) + 2.7)
        self._chances = np.cumsum(falling) / falling.sum()
        self._random = np.random.default_rng(self.seed)

    def articles(self, passages: int) -> Iterator[SyntheticArticle]:
        """As many as hold that many passages, one topic after the other."""
        for number, first in enumerate(range(0, passages, PASSAGES_PER_ARTICLE)):
            topic = number % self.topics
            count = min(PASSAGES_PER_ARTICLE, passages - first)
            about = " ".join(self._topic(topic)[:3])
            yield SyntheticArticle(
                title=f"{about.capitalize()}, part {number + 1}",
                passages=tuple(self.passage(topic) for _ in range(count)),
                topic=topic,
            )

    def passage(self, topic: int) -> str:
        """Sentences, a quarter of whose words are the topic's."""
        count = int(self._random.integers(*WORDS))
        words = self._words[np.searchsorted(self._chances, self._random.random(count))]
        special = self._random.random(count) < TOPIC_SHARE
        words[special] = self._random.choice(self._topic(topic), int(special.sum()))
        return " ".join(_sentence(words[at : at + SENTENCE]) for at in range(0, count, SENTENCE))

    def questions(self, count: int) -> list[str]:
        """Each about a random topic, all different, in a few of its words."""
        asked = []
        for number in range(count):
            topic = int(self._random.integers(self.topics))
            words = self._random.choice(self._topic(topic), QUESTION_WORDS, replace=False)
            asked.append(f"How do I {words[0]} the {' '.join(words[1:])} in case {number + 1}?")
        return asked

    def _topic(self, topic: int) -> NDArray[np.str_]:
        """Its words; topics share some with each other."""
        random = np.random.default_rng((self.seed, topic))
        return random.choice(self._words[COMMON:], TOPIC_WORDS, replace=False)


def vocabulary() -> list[str]:
    """Most frequent first, without repetition."""
    texts = (path.read_text().lower() for path in sorted(SAMPLE.rglob("*.md")))
    counts = Counter(word for text in texts for word in re.findall(r"[a-z]{2,}", text))
    real = [word for word, _ in counts.most_common()]
    coined = ("".join(parts) for parts in product(ONSETS, RHYMES, ONSETS, RHYMES))
    return list(dict.fromkeys([*real, *coined]))[:VOCABULARY]


def _sentence(words: NDArray[np.str_]) -> str:
    return " ".join(words).capitalize() + "."
