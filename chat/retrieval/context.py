"""Context within a token budget: whole articles where they fit, else the best spans.

What is taken is chosen by estimates (`chat.retrieval.selection`) and then counted. Nothing
is cut in silence: each span says what part of its article it is, and `why`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chat.retrieval.folding import Part
from chat.retrieval.fusion import PassageMatch
from chat.retrieval.results import ArticleMatch, ContextSpan, Place
from chat.retrieval.selection import Candidate, Selection, candidates_of
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.sources import Source
from chat.retrieval.windows import first_part
from embeddings.encoders.base import Encoder
from kb.blocks import headings_at, parse_blocks

# Of an article that is not embedded yet, what its tokens per character are taken from.
SAMPLE_CHARACTERS = 4_000


def build_context(
    articles: Sequence[ArticleMatch],
    matches: Mapping[int, tuple[PassageMatch, ...]],
    *,
    encoder: Encoder,
    settings: PipelineSettings,
) -> list[ContextSpan]:
    """Spans in order of rank, and of the text within an article; at most the token budget.

    `matches` holds the passages of each article by its id.
    """
    chosen = articles[: settings.context_articles]
    budget = settings.context_tokens
    candidates = candidates_of(chosen, matches, rerank_weight=settings.rerank_weight)
    sources = [article.source for article in chosen]
    rates = _rates(sources, encoder)
    selection = Selection(chosen, matches, rates=rates, budget=budget)
    selection.fill(candidates)
    counted = _counted(selection, sources, encoder, budget)
    if not counted and candidates:
        counted = _beginning(sources, candidates[0], encoder, budget)
    return [
        _span(chosen[part.rank], matches, part, tokens, _also(part, selection.folds))
        for part, tokens in counted.items()
    ]


def _rates(sources: Sequence[Source], encoder: Encoder) -> list[float]:
    """Tokens per character; the index knows those of what is embedded."""
    unknown = [source.body[:SAMPLE_CHARACTERS] for source in sources if source.tokens is None]
    sampled = iter(encoder.count_tokens(unknown) if unknown else ())
    return [
        next(sampled) / max(len(source.body[:SAMPLE_CHARACTERS]), 1)
        if source.tokens is None
        else source.tokens / max(len(source.body), 1)
        for source in sources
    ]


def _counted(
    selection: Selection, sources: Sequence[Source], encoder: Encoder, budget: int
) -> dict[Part, int]:
    """The tokens of each span; what was taken last is given up until all fit."""
    known: dict[Part, int] = {}
    while True:
        parts = [
            Part(rank=rank, start=start, end=end)
            for rank in range(len(sources))
            for start, end in selection.ranges(rank)
        ]
        _count([part for part in parts if part not in known], sources, encoder, known)
        counts = {part: known[part] for part in parts}
        total = sum(counts.values())
        if total <= budget:
            return counts
        selection.shrink(budget / total)


def _count(
    parts: Sequence[Part], sources: Sequence[Source], encoder: Encoder, known: dict[Part, int]
) -> None:
    """The index knows whole articles."""
    uncounted = []
    for part in parts:
        source = sources[part.rank]
        if source.tokens is not None and (part.start, part.end) == (0, len(source.body)):
            known[part] = source.tokens
        else:
            uncounted.append(part)
    if uncounted:
        texts = [sources[part.rank].body[part.start : part.end] for part in uncounted]
        known.update(zip(uncounted, encoder.count_tokens(texts), strict=True))


def _beginning(
    sources: Sequence[Source], best: Candidate, encoder: Encoder, budget: int
) -> dict[Part, int]:
    """As much of the best passage as fits, if no passage does.

    As it is: completed to its line, it could end before the passage begins.
    """
    body, match = sources[best.rank].body, best.match
    ranges = first_part(body, (match.start, match.end), encoder=encoder, allowance=budget)
    parts = [Part(rank=best.rank, start=start, end=end) for start, end in ranges]
    known: dict[Part, int] = {}
    _count(parts, sources, encoder, known)
    return known


def _also(part: Part, folds: Sequence[tuple[Part, Place]]) -> tuple[Place, ...]:
    return tuple(
        place
        for said, place in folds
        if said.rank == part.rank and part.start <= said.start and said.end <= part.end
    )


def _span(
    article: ArticleMatch,
    matches: Mapping[int, tuple[PassageMatch, ...]],
    part: Part,
    tokens: int,
    also: tuple[Place, ...],
) -> ContextSpan:
    source = article.source
    whole = (part.start, part.end) == (0, len(source.body))
    inside = tuple(
        match
        for match in matches[source.article_id]
        if match.start < part.end and match.end > part.start
    )
    return ContextSpan(
        source=source,
        start=part.start,
        end=part.end,
        tokens=tokens,
        score=inside[0].score if inside else article.score,
        why="the whole article fits" if whole or not inside else _reason(inside),
        headings=headings_at(parse_blocks(source.body), part.start),
        matches=inside,
        also=also,
    )


def _reason(matches: tuple[PassageMatch, ...]) -> str:
    best = matches[0]
    known = (("meaning", best.similarity), ("words", best.words))
    by = ", ".join(f"{name} {value:.2f}" for name, value in known if value is not None)
    return f"{len(matches)} of the article's best passages; the best by {by}"
