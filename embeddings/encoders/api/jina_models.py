"""How the models of Jina's embeddings API differ (its OpenAPI document, June 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embeddings.encoders.base import Task
from embeddings.errors import CheckpointInvalid
from kb.errors import InvalidInput

_RETRIEVAL = {
    Task.RETRIEVAL_QUERY: "retrieval.query",
    Task.RETRIEVAL_PASSAGE: "retrieval.passage",
    Task.TEXT_MATCHING: "text-matching",
}
_V3_TASKS = {
    **_RETRIEVAL,
    Task.SEPARATION: "separation",
    Task.CLASSIFICATION: "classification",
}
_V5_TASKS = {
    **_RETRIEVAL,
    Task.SEPARATION: "clustering",
    Task.CLASSIFICATION: "classification",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JinaModel:
    """One model's request schema; `tasks` None: there is one space for all tasks.

    `window` is the most tokens of a text, and with late chunking of all texts together.
    """

    dimension: int
    window: int = 8192
    tasks: Mapping[Task, str] | None = None
    shortens: bool = True
    late: bool = False
    normalized: bool = True

    def body(self, name: str, task: Task, *, dimension: int, late: bool = False) -> dict[str, Any]:
        """A request but for its `input`. Never lets the server cut a text.

        Late chunks are asked for as they are where the schema has that, so that an article
        is their mean. Raises InvalidInput for a task that the model was not made for.
        """
        body: dict[str, Any] = {"model": name, "truncate": False, "embedding_type": "base64"}
        if self.tasks is not None:
            body["task"] = self._task(name, task)
        if self.shortens:
            body["dimensions"] = dimension
        if self.normalized:
            body["normalized"] = not late
        if late:
            body["late_chunking"] = True
        return body

    def _task(self, name: str, task: Task) -> str:
        tasks = self.tasks or {}
        if task not in tasks:
            raise InvalidInput(f"{name} was not made for {task}; it knows {', '.join(tasks)}.")
        return tasks[task]


_V2 = JinaModel(dimension=768, shortens=False)

MODELS = {
    **{f"jina-embeddings-v2-base-{kind}": _V2 for kind in ("en", "zh", "de", "es", "code")},
    "jina-embeddings-v3": JinaModel(dimension=1024, tasks=_V3_TASKS, late=True),
    # Its window is larger, but 8,192 is what late chunking is documented to take.
    "jina-embeddings-v4": JinaModel(dimension=2048, tasks=_RETRIEVAL, late=True, normalized=False),
    "jina-embeddings-v5-text-nano": JinaModel(dimension=768, tasks=_V5_TASKS),
    "jina-embeddings-v5-text-small": JinaModel(dimension=1024, window=32_768, tasks=_V5_TASKS),
}


def jina_model(name: str, *, dimensions: int | None) -> JinaModel:
    """The model of that name. Raises CheckpointInvalid, also for dimensions it cannot give."""
    if name not in MODELS:
        raise CheckpointInvalid(f"No model is called {name!r}; there are {', '.join(MODELS)}.")
    model = MODELS[name]
    least = 1 if model.shortens else model.dimension
    if dimensions is not None and not least <= dimensions <= model.dimension:
        raise CheckpointInvalid(
            f"{name} has vectors of {least} to {model.dimension} numbers, not {dimensions}."
        )
    return model
