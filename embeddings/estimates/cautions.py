"""What a person should know of an encoder before an index is built with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Count

from embeddings.encoders.base import Encoder
from embeddings.encoders.families import family_of
from embeddings.encoders.registry import configuration, languages_of
from embeddings.hnsw import MOST_DIMENSIONS
from embeddings.models import IndexVersion
from kb.languages import Language
from kb.models import Article, Workspace

SHOWN_LANGUAGES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An encoder with what was found out about it for one workspace."""

    alias: str
    encoder: Encoder
    articles: int
    counted: int
    over_window: int
    paid: bool
    priced: bool
    same: IndexVersion | None
    problem: str


def cautions(workspace: Workspace, candidate: Candidate) -> tuple[str, ...]:
    """Whole sentences, the gravest first."""
    live = IndexVersion.objects.live_in(workspace.pk)
    found: tuple[Callable[[], str], ...] = (
        lambda: _same(candidate),
        lambda: _tried(candidate),
        lambda: _licence(candidate),
        lambda: _languages(workspace, candidate),
        lambda: _long(candidate),
        lambda: _dimension(candidate),
        lambda: _other_dimension(candidate, live),
        lambda: _money(candidate),
        lambda: _estimated(candidate),
        lambda: _sampled(candidate),
    )
    return tuple(text for find in found if (text := find()))


def _same(candidate: Candidate) -> str:
    same = candidate.same
    if same is None:
        return ""
    return (
        f"Version {same.number} ({same.get_state_display()}) has this very fingerprint: "
        "the vectors would be the same, and starting is refused."
    )


def _tried(candidate: Candidate) -> str:
    return f"The encoder could not be tried: {candidate.problem}" if candidate.problem else ""


def _licence(candidate: Candidate) -> str:
    entry = configuration(candidate.alias)
    family = family_of(entry["BACKEND"])
    licence = str(entry.get("LICENCE") or (family.licence if family else ""))
    restricted = "-NC-" in licence or "non-commercial" in licence.lower()
    return f"Licence: {licence}." if restricted else ""


def _languages(workspace: Workspace, candidate: Candidate) -> str:
    trained = languages_of(candidate.alias)
    if not trained:
        return ""
    published = Article.objects.in_workspace(workspace).published().order_by()
    counts = (
        published.exclude(published_revision__language__in=[*trained, Language.OTHER])
        .values_list("published_revision__language")
        .annotate(count=Count("pk"))
        .order_by("-count", "published_revision__language")
    )
    found = [f"{count:,} in {Language(code).label}" for code, count in counts]
    if not found:
        return ""
    more = ", …" if len(found) > SHOWN_LANGUAGES else ""
    known = ", ".join(sorted(trained))
    return (
        f"The model was trained for {known} only, and there are articles in other languages: "
        f"{', '.join(found[:SHOWN_LANGUAGES])}{more}."
    )


def _long(candidate: Candidate) -> str:
    """Windows are cut in any case: only who embeds articles whole has to know."""
    strategy = configuration(candidate.alias)["STRATEGY"]
    if not candidate.over_window or not strategy.startswith("whole"):
        return ""
    return (
        f"{candidate.over_window:,} of {candidate.articles:,} articles are longer than the "
        f"window of {candidate.encoder.window:,} tokens: they are embedded in several "
        "overlapping passes, nothing is cut off."
    )


def _dimension(candidate: Candidate) -> str:
    if candidate.encoder.dimension <= MOST_DIMENSIONS:
        return ""
    return (
        f"Vectors of more than {MOST_DIMENSIONS:,} dimensions can have no HNSW index: a large "
        "workspace is searched exactly, and slowly."
    )


def _other_dimension(candidate: Candidate, live: IndexVersion | None) -> str:
    new = candidate.encoder.dimension
    if live is None or live.dimension == new:
        return ""
    more = "more" if new > live.dimension else "fewer"
    return (
        f"{new:,} dimensions, {more} than the {live.dimension:,} of the live version: vectors "
        f"and their index take {new / live.dimension:.1f} times the space."
    )


def _money(candidate: Candidate) -> str:
    if not candidate.paid:
        return ""
    if candidate.priced:
        return "This is a paid service; questions will be paid for as well."
    return (
        "This is a paid service, and no price is configured (price_per_million and currency in "
        "ENCODERS_FILE): what it costs is not known."
    )


def _estimated(candidate: Candidate) -> str:
    entry = configuration(candidate.alias)
    family = family_of(entry["BACKEND"])
    if family is None or family.local or entry.get("OPTIONS", {}).get("tokenizer"):
        return ""
    return "Tokens are estimated, rather too high: the model's tokenizer is not here."


def _sampled(candidate: Candidate) -> str:
    if candidate.counted >= candidate.articles:
        return ""
    return (
        f"Counted on {candidate.counted:,} of {candidate.articles:,} articles, evenly chosen, "
        "and extrapolated."
    )
