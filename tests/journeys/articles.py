"""Any number of different articles, recomposed from the sample knowledge base."""

from __future__ import annotations

from pathlib import Path

from kb.importing.markdown import split_front_matter

SAMPLE = Path(__file__).resolve().parents[2] / "kb" / "sample" / "articles"


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
