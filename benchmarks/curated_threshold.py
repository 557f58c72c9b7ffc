"""Where to set `curated_above`: paraphrases of curated questions against other questions.

`python -m benchmarks.curated_threshold [--encoder NAME]`

Curated are the sample's answerable questions that `curated_pairs.tsv` names. Asked are their
paraphrases there, its questions of something else in like words (marked `-`), and every other
question of the sample. A paraphrase is right with its own curated question alone; anything
else that is matched is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import django
import numpy as np
from numpy.typing import NDArray

PAIRS = Path(__file__).with_name("curated_pairs.tsv")
QUESTIONS = Path(__file__).parent.parent / "kb" / "sample" / "questions.jsonl"
THRESHOLDS = [round(0.60 + 0.025 * step, 3) for step in range(15)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="minilm")
    name = parser.parse_args().encoder
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    sample = read_sample()
    pairs = [line.split("\t") for line in PAIRS.read_text().splitlines()]
    curated = [key for key, _ in pairs if key in sample]
    asked = [(key, text) for key, text in pairs]
    asked += [("-", text) for key, text in sample.items() if key not in curated]
    vectors = encode(name, [sample[key] for key in curated])
    cosines = encode(name, [text for _, text in asked]) @ vectors.T
    likenesses = alike(name, cosines) * same_facts([text for _, text in asked], sample, curated)
    report(curated, [key for key, _ in asked], likenesses)


def read_sample() -> dict[str, str]:
    """Texts of the sample's questions by id."""
    rows = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    return {row["_id"]: row["text"] for row in rows}


def encode(name: str, texts: list[str]) -> NDArray[np.float32]:
    """By the text-matching task."""
    from chat.retrieval.question import encode_whole
    from embeddings.encoders.base import Task
    from embeddings.encoders.registry import get_encoder

    return encode_whole(get_encoder(name), texts, Task.TEXT_MATCHING)


def same_facts(asked: list[str], sample: dict[str, str], curated: list[str]) -> NDArray[np.float32]:
    """Shape (asked, curated): 1 where numbers and denials are the same, as matching wants."""
    from chat.answering.opposites import says_the_same_facts

    return np.array(
        [[says_the_same_facts(sample[key], text) for key in curated] for text in asked],
        dtype=np.float32,
    )


def alike(name: str, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """On the scale of `curated_above`."""
    from chat.answering.likeness import chance, likeness
    from embeddings.encoders.registry import get_encoder

    level = chance(get_encoder(name))
    print(f"chance level of {name}: {level:.3f}")
    stretched: NDArray[np.float32] = np.vectorize(lambda cosine: likeness(float(cosine), level))(
        cosines
    )
    return stretched


def report(curated: list[str], asked: list[str], scores: NDArray[np.float32]) -> None:
    """By threshold: paraphrases answered rightly, questions answered wrongly."""
    best = scores.argmax(axis=1)
    own = np.array([key != "-" for key in asked])
    right = np.array([curated[place] == key for place, key in zip(best, asked, strict=True)])
    highest = scores.max(axis=1)
    print(f"{len(curated)} curated, {own.sum()} paraphrases, {(~own).sum()} other questions")
    print("above   paraphrases right   wrong of paraphrases   wrong of others")
    for threshold in THRESHOLDS:
        said = highest >= threshold
        print(
            f"{threshold:.3f}   {(said & own & right).sum() / own.sum():17.1%}"
            f"   {(said & own & ~right).sum() / own.sum():20.1%}"
            f"   {(said & ~own).sum() / (~own).sum():15.1%}"
        )


if __name__ == "__main__":
    main()
