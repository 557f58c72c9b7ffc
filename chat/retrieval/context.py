"""Context within a token budget: the whole article when it fits, else its best spans.

The budget is dealt out over the first articles by rank, the first getting the most; what
one leaves over goes to the next. Nothing is cut in silence: each span says what part of
its article it is, and `why`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chat.retrieval.fusion import PassageMatch
from chat.retrieval.results import ArticleMatch, ContextSpan
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.windows import first_part
from embeddings.encoders.base import Encoder
from kb.blocks import headings_at, parse_blocks

# No tokenizer makes fewer tokens than one for so many characters of real text; a longer
# article is over the allowance without counting.
CHARACTERS_PER_TOKEN = 16
# A passage begins wherever the encoder's window did; its line is completed when near.
SNAP_CHARACTERS = 200


def build_context(
    articles: Sequence[ArticleMatch],
    matches: dict[int, tuple[PassageMatch, ...]],
    *,
    encoder: Encoder,
    settings: PipelineSettings,
) -> list[ContextSpan]:
    """Spans in order of rank, and of the text within an article; at most the token budget.

    `matches` holds the passages of each article by its id.
    """
    chosen = articles[: settings.context_articles]
    spans: list[ContextSpan] = []
    left = settings.context_tokens
    for place, article in enumerate(chosen):
        allowance = min(left, left * 2 // (len(chosen) - place + 1))
        found = _spans(article, matches[article.source.article_id], encoder, allowance)
        left -= sum(span.tokens for span in found)
        spans += found
    return spans


def _spans(
    article: ArticleMatch, matches: tuple[PassageMatch, ...], encoder: Encoder, allowance: int
) -> list[ContextSpan]:
    body = article.source.body
    if len(body) <= allowance * CHARACTERS_PER_TOKEN:
        [tokens] = encoder.count_tokens([body])
        if tokens <= allowance:
            return [_span(article, matches, (0, len(body)), tokens, "the whole article fits")]
    ranges = _best_ranges(body, matches, encoder, allowance)
    counts = encoder.count_tokens([body[start:end] for start, end in ranges])
    return [
        _span(article, matches, (start, end), tokens, "")
        for (start, end), tokens in zip(ranges, counts, strict=True)
    ]


def _best_ranges(
    body: str, matches: tuple[PassageMatch, ...], encoder: Encoder, allowance: int
) -> list[tuple[int, int]]:
    """Of the passages, best first, as many as fit; overlapping ones merged, in text order."""
    ranges = [_snap(body, match.start, match.end) for match in _worth_counting(matches, allowance)]
    counts = encoder.count_tokens([body[start:end] for start, end in ranges])
    taken: list[tuple[int, int]] = []
    for place, tokens in zip(ranges, counts, strict=True):
        if tokens > allowance:
            continue
        allowance -= tokens  # overlaps count twice: the merged spans have no more than this
        taken.append(place)
    if not taken and ranges:
        taken = first_part(body, ranges[0], encoder=encoder, allowance=allowance)
    return _merge(taken)


def _worth_counting(matches: tuple[PassageMatch, ...], allowance: int) -> Iterator[PassageMatch]:
    """The best ones, as far as they could fit; without a single word of the question only
    if they were found by meaning."""
    characters = 0
    for match in matches:
        if characters > allowance * CHARACTERS_PER_TOKEN:
            return
        if match.similarity is not None or match.words > 0 or not characters:
            characters += match.end - match.start
            yield match


def _snap(body: str, start: int, end: int) -> tuple[int, int]:
    line = body.rfind("\n", 0, start) + 1
    after = body.find("\n", end)
    after = len(body) if after < 0 else after
    return (
        line if start - line <= SNAP_CHARACTERS else start,
        after if after - end <= SNAP_CHARACTERS else end,
    )


def _merge(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _span(
    article: ArticleMatch,
    matches: tuple[PassageMatch, ...],
    place: tuple[int, int],
    tokens: int,
    why: str,
) -> ContextSpan:
    start, end = place
    inside = tuple(each for each in matches if each.start < end and each.end > start)
    return ContextSpan(
        source=article.source,
        start=start,
        end=end,
        tokens=tokens,
        score=inside[0].score if inside else article.score,
        why=why or _reason(inside),
        headings=headings_at(parse_blocks(article.source.body), start),
        matches=inside,
    )


def _reason(matches: tuple[PassageMatch, ...]) -> str:
    best = matches[0]
    by = "words" if best.similarity is None else f"meaning {best.similarity:.2f}, words"
    return f"{len(matches)} of the article's best passages; the best by {by} {best.words:.2f}"
