"""Context within a token budget: the whole article when it fits, else its best spans.

The budget is dealt out over the first articles by rank, the first getting the most; what
one leaves over goes to the next. Nothing is cut in silence: each span says what part of
its article it is, and `why`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chat.retrieval.folding import Folding
from chat.retrieval.fusion import PassageMatch
from chat.retrieval.results import ArticleMatch, ContextSpan
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.windows import first_part
from embeddings.encoders.base import Encoder
from kb.blocks import headings_at, parse_blocks

# No tokenizer makes fewer tokens than one for so many characters of real text; a longer
# article is over the allowance without counting.
CHARACTERS_PER_TOKEN = 16
# Most texts have fewer characters to a token: more passages are not worth counting.
USUAL_CHARACTERS = 6
# With so little of the allowance left, or after so many tries, what would still fit is not
# looked for.
FILLED = 0.1
ROUNDS = 2
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
    kept = Folding()
    for place, article in enumerate(chosen):
        left = settings.context_tokens - sum(span.tokens for span in kept.spans)
        allowance = min(left, left * 2 // (len(chosen) - place + 1))
        kept.add(_spans(article, matches[article.source.article_id], encoder, allowance))
    return kept.spans


def _spans(
    article: ArticleMatch, matches: tuple[PassageMatch, ...], encoder: Encoder, allowance: int
) -> list[ContextSpan]:
    body = article.source.body
    tokens = _tokens_if_within(article, encoder, allowance)
    if tokens is not None:
        return [_span(article, matches, (0, len(body)), tokens, "the whole article fits")]
    counts: dict[tuple[int, int], int] = {}
    ranges = _best_ranges(body, matches, encoder, allowance, counts)
    _count(body, [place for place in ranges if place not in counts], encoder, counts)
    return [_span(article, matches, place, counts[place], "") for place in ranges]


def _tokens_if_within(article: ArticleMatch, encoder: Encoder, allowance: int) -> int | None:
    """How many tokens the body has; None if more than the allowance."""
    source = article.source
    if source.tokens is None and len(source.body) <= allowance * CHARACTERS_PER_TOKEN:
        [tokens] = encoder.count_tokens([source.body])
        return tokens if tokens <= allowance else None
    return source.tokens if source.tokens is not None and source.tokens <= allowance else None


def _count(
    body: str,
    places: Sequence[tuple[int, int]],
    encoder: Encoder,
    counts: dict[tuple[int, int], int],
) -> None:
    if places:
        found = encoder.count_tokens([body[start:end] for start, end in places])
        counts.update(zip(places, found, strict=True))


def _best_ranges(
    body: str,
    matches: tuple[PassageMatch, ...],
    encoder: Encoder,
    allowance: int,
    counts: dict[tuple[int, int], int],
) -> list[tuple[int, int]]:
    """Of the passages, best first, as many as fit; overlapping ones merged, in text order.

    What is counted on the way is kept in `counts`.
    """
    taken: list[tuple[int, int]] = []
    waiting = _worth_counting(matches)
    enough = allowance * FILLED
    for _ in range(ROUNDS):
        ranges = list(_as_many_as_fit(body, waiting, allowance)) if allowance > enough else []
        _count(body, ranges, encoder, counts)
        for place in ranges:
            if counts[place] <= allowance:
                allowance -= counts[place]  # overlaps count twice: merged they have no more
                taken.append(place)
    if not taken and matches:
        # As it is: completed to its line, it could end before it begins.
        best = (matches[0].start, matches[0].end)
        taken = first_part(body, best, encoder=encoder, allowance=allowance)
    return _merge(taken)


def _worth_counting(matches: tuple[PassageMatch, ...]) -> Iterator[PassageMatch]:
    """The best one, and what has a word of the question or was found by meaning."""
    for number, match in enumerate(matches):
        if match.similarity is not None or match.words > 0 or not number:
            yield match


def _as_many_as_fit(
    body: str, waiting: Iterator[PassageMatch], allowance: int
) -> Iterator[tuple[int, int]]:
    """Places of the next passages, as far as their characters tell."""
    characters = 0
    for match in waiting:
        yield _snap(body, match.start, match.end)
        characters += match.end - match.start
        if characters > allowance * USUAL_CHARACTERS:
            return


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
