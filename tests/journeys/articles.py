"""Any number of different articles, recomposed from the sample knowledge base."""

from __future__ import annotations

import json
import random
from pathlib import Path

from kb.importing.markdown import split_front_matter

SAMPLE = Path(__file__).resolve().parents[2] / "kb" / "sample" / "articles"
QUESTIONS = SAMPLE.parent / "questions.jsonl"


def sample_bodies() -> list[str]:
    """Bodies of the sample articles, the longest left out."""
    bodies = [split_front_matter(path.read_text())[1] for path in sorted(SAMPLE.glob("*.md"))]
    return [body for body in bodies if len(body) < 10_000]


def recomposed(count: int) -> list[str]:
    """`count` bodies, each two halves of different sample articles and its own number."""
    bodies = sample_bodies()
    made = []
    for number in range(count):
        first = bodies[number % len(bodies)]
        second = bodies[(number * 7 + 3) % len(bodies)]
        text = f"{first[: len(first) // 2]}\n\n{second[len(second) // 2 :]}"
        made.append(f"{text}\n\nCase number {number}.")
    return made


def shuffled(count: int, *, characters: int, seed: int = 0) -> list[str]:
    """`count` bodies of about so many characters, each of paragraphs drawn from all samples.

    No two are alike, and the same arguments give the same bodies.
    """
    chance = random.Random(seed)
    paragraphs = [part for body in sample_bodies() for part in body.split("\n\n") if part.strip()]
    made = []
    for number in range(count):
        parts = [f"Case number {number}."]
        while sum(map(len, parts)) < characters:
            parts.append(chance.choice(paragraphs))
        made.append("\n\n".join(parts))
    return made


def sample_questions() -> list[str]:
    """What visitors ask in the labelled questions of the sample."""
    return [json.loads(line)["text"] for line in QUESTIONS.read_text().splitlines()]
