"""Settings of the pipeline: shipped profiles, and a workspace's own on top of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q

from chat.models import RetrievalProfile
from kb.errors import InvalidInput, NotFound
from kb.models import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """How questions are answered; validated when made (raises InvalidInput).

    Weights multiply scores that all lie between 0 and 1 (see `chat.retrieval.fusion`), so
    they mean the same in a workspace of 3 articles and of 300,000. `abstain_below` is a
    probability, `curated_above` how alike questions must be
    (`chat.answering.likeness`). `reranker` is an alias in
    `settings.RERANKERS`, or empty for none (`chat.retrieval.reranking`); `rewrite` lets a
    language model word follow-ups, if one is set up (`chat.retrieval.rewriting`). Each is
    explained in docs/retrieval.md.
    """

    name: str = "default"
    passage_weight: float = 1.0
    passage_words_weight: float = 1.0
    article_weight: float = 0.05
    article_words_weight: float = 0.05
    title_weight: float = 0.1
    phrase_weight: float = 0.5
    support_weight: float = 0.2
    history_visitor_weight: float = 0.7
    history_assistant_weight: float = 0.5
    history_decay: float = 0.9
    history_weight: float = 1.0
    rewrite: bool = True
    rewrite_seconds: float = 3.0
    passage_candidates: int = 100
    article_candidates: int = 50
    text_candidates: int = 50
    scored_articles: int = 50
    articles: int = 10
    context_articles: int = 5
    context_tokens: int = 3000
    answer_sentences: int = 24
    abstain_below: float = 0.25
    curated_above: float = 0.8
    reranker: str = ""
    rerank_candidates: int = 20
    rerank_weight: float = 1.0
    rerank_seconds: float = 2.0

    def __post_init__(self) -> None:
        for name, limits in LIMITS.items():
            _check(name, getattr(self, name), *limits)
        if not isinstance(self.reranker, str):
            raise InvalidInput("reranker must be the name of one, or empty.", field="settings")
        if not isinstance(self.rewrite, bool):
            raise InvalidInput("rewrite must be true or false.", field="settings")
        if not any(getattr(self, name) for name in WEIGHTS):
            raise InvalidInput("At least one leg needs a weight above 0.", field="settings")

    def as_json(self) -> dict[str, Any]:
        """All settings, for traces."""
        return asdict(self)


LIMITS: dict[str, tuple[type, float, float]] = {
    "passage_weight": (float, 0, 10),
    "passage_words_weight": (float, 0, 10),
    "article_weight": (float, 0, 10),
    "article_words_weight": (float, 0, 10),
    "title_weight": (float, 0, 10),
    "phrase_weight": (float, 0, 10),
    "support_weight": (float, 0, 1),
    "history_visitor_weight": (float, 0, 1),
    "history_assistant_weight": (float, 0, 1),
    "history_decay": (float, 0, 1),
    "history_weight": (float, 0, 100),
    "rewrite_seconds": (float, 0.05, 30),
    "passage_candidates": (int, 1, 1000),
    "article_candidates": (int, 1, 1000),
    "text_candidates": (int, 1, 1000),
    "scored_articles": (int, 1, 500),
    "articles": (int, 1, 100),
    "context_articles": (int, 1, 20),
    "context_tokens": (int, 50, 200_000),
    "answer_sentences": (int, 1, 200),
    "abstain_below": (float, 0, 1),
    "curated_above": (float, 0, 1),
    "rerank_candidates": (int, 1, 100),
    "rerank_weight": (float, 0, 10),
    "rerank_seconds": (float, 0.05, 30),
}
KNOWN = [*LIMITS, "reranker", "rewrite"]
# Of the legs: all else only orders what these have found.
WEIGHTS = ["passage_weight", "passage_words_weight", "article_weight", "article_words_weight"]

# By name, what differs from the defaults above.
SHIPPED: dict[str, dict[str, Any]] = {"default": {}}


def load_profile(workspace: Workspace, name: str | None = None) -> PipelineSettings:
    """The settings called `name`; None means the workspace's default, else the shipped one.

    One query. A workspace's own profile shadows a shipped one of its name. Raises NotFound,
    and InvalidInput for a stored profile that no longer validates.
    """
    wanted = Q(is_default=True) if name is None else Q(name=name)
    row = RetrievalProfile.objects.filter(wanted, workspace=workspace).first()
    if row is not None:
        return parse_settings(row.name, row.settings)
    if name not in {None, *SHIPPED}:
        raise NotFound(f"Workspace {workspace.slug!r} has no retrieval profile {name!r}.")
    return parse_settings(name or "default", {})


def load_settings(workspace: Workspace, profile: PipelineSettings | str | None) -> PipelineSettings:
    """`profile` itself if it holds settings, else as `load_profile` finds it by name."""
    return profile if isinstance(profile, PipelineSettings) else load_profile(workspace, profile)


def parse_settings(name: str, values: object) -> PipelineSettings:
    """Settings from JSON: what is left out is as shipped. Raises InvalidInput."""
    if not isinstance(values, Mapping):
        raise InvalidInput("Settings must be a JSON object.", field="settings")
    unknown = sorted(set(values) - set(KNOWN))
    if unknown:
        known = ", ".join(KNOWN)
        message = f"Unknown settings: {', '.join(map(str, unknown))}. Known are: {known}."
        raise InvalidInput(message, field="settings")
    return PipelineSettings(name=name, **{**SHIPPED.get(name, {}), **values})


def _check(name: str, value: object, kind: type, low: float, high: float) -> None:
    accepted = (int, float) if kind is float else (int,)
    number = not isinstance(value, bool) and isinstance(value, accepted)
    # NaN compares false with everything, so the range is asked in the positive.
    if not (number and math.isfinite(value) and low <= value <= high):  # type: ignore[operator,arg-type]  # a number
        what = "a whole number" if kind is int else "a number"
        message = f"{name} must be {what} from {low:g} to {high:g}, not {value!r}."
        raise InvalidInput(message, field="settings")
