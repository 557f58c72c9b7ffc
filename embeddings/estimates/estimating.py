"""What a re-embedding would take, before it is started: tokens, time, disk, money, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Sum

from embeddings.encoders.api.pacing import PLANS
from embeddings.encoders.base import Encoder
from embeddings.encoders.families import family_of
from embeddings.encoders.registry import configuration, get_encoder
from embeddings.errors import EncoderUnavailable
from embeddings.estimates.cautions import Candidate, cautions
from embeddings.estimates.prices import Price, is_paid, price_of
from embeddings.estimates.probing import Counted, Probe, count_articles, probe_speed, published_ids
from embeddings.estimates.sizing import Shape, hnsw_bytes, passages_of, shape_of, table_bytes
from embeddings.filling.deriving import derivable_from
from embeddings.lifecycle import STORED
from embeddings.models import IndexEntry, IndexVersion
from embeddings.services.starting import with_strategy
from kb.models import Workspace

SPECIAL_TOKENS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of one encoder and strategy for what is published in a workspace now.

    `tokens` are those of the articles by the encoder's own tokenizer, counted on `counted`
    of them and extrapolated if those are not all; `paid_tokens` what a paid API would count
    (overlaps and titles too; 0 for one's own model). `vectors` are of articles and passages,
    `table_bytes` and `index_bytes` what these take. `seconds` is the time of one worker that
    does nothing else, `seconds_from` how that is known (None: it is not). `derived_from` is
    the version whose longer vectors give these without encoding, `same_as` one that is the
    same already: starting is refused then.
    """

    workspace: str
    encoder: str
    strategy: str
    fingerprint: str
    dimension: int
    window: int
    articles: int
    counted: int
    tokens: int
    over_window: int
    vectors: int
    table_bytes: int
    index_bytes: int
    seconds: float | None
    seconds_from: str
    tokens_per_second: float | None
    paid: bool
    paid_tokens: int
    cost: float | None
    currency: str
    derived_from: int | None
    same_as: int | None
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values, as IndexVersion.estimate keeps them."""
        return asdict(self) | {"warnings": list(self.warnings)}


def estimate(
    workspace: Workspace, *, encoder: str, strategy: str | None = None, try_paid: bool = False
) -> Estimate:
    """Counts tokens and embeds a few articles, some seconds each, after loading the model.

    A paid API is asked for nothing unless `try_paid`. Raises UnknownEncoder,
    CheckpointInvalid, or EncoderUnavailable where the encoder cannot be made at all.
    """
    alias = with_strategy(encoder, strategy)
    found = _look(workspace, alias, try_paid=try_paid)
    return Estimate(
        workspace=workspace.slug,
        encoder=alias,
        strategy=configuration(alias)["STRATEGY"],
        fingerprint=found.backend.fingerprint,
        dimension=found.backend.dimension,
        window=found.backend.window,
        articles=found.articles,
        counted=len(found.counted),
        tokens=found.tokens,
        over_window=found.over_window,
        derived_from=found.source.number if found.source else None,
        same_as=found.same.number if found.same else None,
        warnings=cautions(workspace, found.candidate),
        **_space(found),
        **_time(found),
        **_money(found),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was counted and tried. `source`: its longer vectors give these."""

    alias: str
    backend: Encoder
    articles: int
    counted: Sequence[Counted]
    shape: Shape
    paid: bool
    price: Price | None
    source: IndexVersion | None
    same: IndexVersion | None
    probe: Probe | None
    problem: str

    def scaled(self, counted: float) -> int:
        """For all articles, of what was counted on some."""
        return round(counted * self.articles / len(self.counted)) if self.counted else 0

    @property
    def tokens(self) -> int:
        return self.scaled(sum(each.body for each in self.counted))

    @property
    def over_window(self) -> int:
        lengths = (each.body + each.title + SPECIAL_TOKENS for each in self.counted)
        return self.scaled(sum(length > self.backend.window for length in lengths))

    @property
    def billed(self) -> int:
        """The title is sent once, or with each window."""
        if not self.paid or self.source is not None:
            return 0
        if configuration(self.alias)["STRATEGY"] != "windows":
            return self.scaled(sum(each.body + each.title for each in self.counted))
        shape = self.shape
        sent = (shape.repeated(e.body) + shape.pieces(e.body) * e.title for e in self.counted)
        return self.scaled(sum(sent))

    @property
    def passages(self) -> int:
        """As many as the longer vectors that they are derived from, if they are."""
        if self.source is None:
            return self.scaled(passages_of(self.counted, self.shape, self.probe))
        entries = IndexEntry.objects.filter(index_version=self.source).current()
        return int(entries.aggregate(passages=Sum("windows"))["passages"] or 0)

    @property
    def candidate(self) -> Candidate:
        return Candidate(
            alias=self.alias,
            encoder=self.backend,
            articles=self.articles,
            counted=len(self.counted),
            over_window=self.over_window,
            paid=self.paid,
            priced=self.price is not None,
            same=self.same,
            problem=self.problem,
        )


def _look(workspace: Workspace, alias: str, *, try_paid: bool) -> _Found:
    backend = get_encoder(alias)
    ids = published_ids(workspace)
    counted = count_articles(backend, ids)
    source, paid = derivable_from(workspace, backend), is_paid(alias)
    probe, problem = _probe(backend, counted, asked=source is None and (try_paid or not paid))
    stored = workspace.index_versions.filter(state__in=STORED)
    return _Found(
        alias=alias,
        backend=backend,
        articles=len(ids),
        counted=counted,
        shape=shape_of(alias, window=backend.window),
        paid=paid,
        price=price_of(alias),
        source=source,
        same=stored.filter(fingerprint=backend.fingerprint).first(),
        probe=probe,
        problem=problem,
    )


def _probe(
    encoder: Encoder, counted: Sequence[Counted], *, asked: bool
) -> tuple[Probe | None, str]:
    """With what went wrong."""
    if not asked or not counted:
        return None, ""
    try:
        return probe_speed(encoder, counted), ""
    except EncoderUnavailable as error:
        return None, str(error)


def _space(found: _Found) -> dict[str, Any]:
    sizes = {
        "articles": found.articles,
        "passages": found.passages,
        "dimension": found.backend.dimension,
    }
    return {
        "vectors": sizes["articles"] + sizes["passages"],
        "table_bytes": table_bytes(**sizes),
        "index_bytes": hnsw_bytes(**sizes),
    }


def _time(found: _Found) -> dict[str, Any]:
    seconds: float | None = None
    speed, source = _by_plan(found)
    if found.source is not None:
        seconds = 0.0
        speed, source = None, f"derived from version {found.source.number}, nothing encoded"
    elif probe := found.probe:
        speed = probe.tokens_per_second
        seconds = found.tokens / speed
        source = (
            f"measured here: {probe.articles} articles, {probe.tokens:,} tokens "
            f"in {probe.seconds:.1f} s"
        )
    elif speed:
        seconds = found.billed / speed
    return {
        "seconds": None if seconds is None else round(seconds, 1),
        "seconds_from": source,
        "tokens_per_second": None if speed is None else round(speed, 1),
    }


def _by_plan(found: _Found) -> tuple[float | None, str]:
    """Where a plan's limit is what holds a run back."""
    entry = configuration(found.alias)
    family, plan = family_of(entry["BACKEND"]), entry.get("OPTIONS", {}).get("plan", "free")
    if family is None or family.name != "jina-api" or plan not in PLANS:
        return None, "not known"
    minute = PLANS[plan].tokens_per_minute
    return minute / 60, f"at the limit of the plan {plan!r}, {minute:,.0f} tokens a minute"


def _money(found: _Found) -> dict[str, Any]:
    price = found.price if found.paid else None
    return {
        "paid": found.paid,
        "paid_tokens": found.billed,
        "cost": price.of(found.billed) if price else None,
        "currency": price.currency if price else "",
    }
