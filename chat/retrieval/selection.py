"""Which parts of the best articles make the context, within a budget of tokens.

The passages of all articles compete with each other by their own scores: the second-best
passage of the first article, or the best one of the third, answers more often than the fifth
of the first. A passage is worth a little more beside a good one, so that spans are fewer and
longer. An article that is short is taken whole with the first of its passages, and so is, at
the end, any other whose rest fits. What repeats something taken is folded into it and costs
nothing.

Tokens are estimates here, by the article's average.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chat.retrieval.folding import Part, Said
from chat.retrieval.fusion import PassageMatch
from chat.retrieval.results import ArticleMatch, Place

# Of the score of a passage's better neighbour, the share that counts for it too.
NEIGHBOUR = 0.1
# An article is short if it has at most this share of the budget.
SHORT = 0.25
# With so little of the budget left, what would still fit is not looked for.
FILLED = 0.01
# A passage begins wherever the encoder's window did; its line is completed when near.
SNAP_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A passage of the article at `rank`, and what it is worth."""

    rank: int
    match: PassageMatch
    value: float


def candidates_of(
    articles: Sequence[ArticleMatch],
    matches: Mapping[int, tuple[PassageMatch, ...]],
    *,
    rerank_weight: float,
) -> list[Candidate]:
    """All passages of all articles that are worth reading, the most valuable first.

    What a reranker gave to an article counts for each of its passages. The best passage of an
    article that is not embedded is worth what the article is; those without a word of the
    question are left out.
    """
    read = [each.fused.rerank for each in articles if each.fused.rerank is not None]
    lowest = min(read, default=0.0)
    found = []
    for rank, article in enumerate(articles):
        passages = matches[article.source.article_id]
        given = lowest if article.fused.rerank is None else article.fused.rerank
        lift = rerank_weight * given
        if passages and passages[0].similarity is None:
            lift = article.score - passages[0].score
            passages = (passages[0], *(match for match in passages[1:] if match.words))
        found += _valued(rank, passages, lift)
    return sorted(found, key=lambda each: (-each.value, each.rank, each.match.start))


def _valued(rank: int, passages: Iterable[PassageMatch], lift: float) -> list[Candidate]:
    ordered = sorted(passages, key=lambda match: match.start)
    scores = [0.0, *(match.score for match in ordered), 0.0]
    return [
        Candidate(
            rank=rank,
            match=match,
            value=match.score + NEIGHBOUR * max(scores[at], scores[at + 2]) + lift,
        )
        for at, match in enumerate(ordered)
    ]


class Selection:
    """The parts taken so far, in the order of taking; `left` is what the budget still holds.

    `folds` are the places that are left out, each with the part that says the same; `rates`
    the tokens per character of each article.
    """

    def __init__(
        self,
        articles: Sequence[ArticleMatch],
        matches: Mapping[int, tuple[PassageMatch, ...]],
        *,
        rates: Sequence[float],
        budget: int,
    ) -> None:
        self.left = budget
        self.taken: list[Part] = []
        self.folds: list[tuple[Part, Place]] = []
        self._budget = budget
        self._sources = [article.source for article in articles]
        self._bodies = [source.body for source in self._sources]
        self._rates = rates
        self._passages = [matches[source.article_id] for source in self._sources]
        self._said = Said(self._bodies)

    def fill(self, candidates: Iterable[Candidate]) -> None:
        """Take what fits, in order; then complete the articles whose rest fits."""
        for candidate in candidates:
            if self.left < FILLED * self._budget:
                break
            self._offer(candidate)
        for rank in range(len(self._bodies)):
            whole = self._whole(rank)
            if self._cost(whole) <= self.left and not self._repeats(rank):
                self._take_or_fold(whole)

    def ranges(self, rank: int, *more: Part) -> list[tuple[int, int]]:
        """What is taken of one article, in the order of the text, none touching the next."""
        own = [(each.start, each.end) for each in (*self.taken, *more) if each.rank == rank]
        return _merge(own, self._bodies[rank])

    def shrink(self, share: float) -> None:
        """Give up what was taken last until that share of the characters is left, for when the
        estimates were too low; always something."""
        most = share * self._characters()
        self.taken.pop()
        while self._characters() > most:
            self.taken.pop()

    def _offer(self, candidate: Candidate) -> None:
        rank, match = candidate.rank, candidate.match
        whole = self._whole(rank)
        if not self.ranges(rank) and self._is_short(whole) and not self._repeats(rank):
            self._take_or_fold(whole)
            return
        part = Part(rank=rank, start=match.start, end=match.end)
        if self._cost(part) <= self.left:
            self._take_or_fold(part)

    def _take_or_fold(self, part: Part) -> None:
        if not self._cost(part) and self.ranges(part.rank):
            return
        twin = self._said.twin(part)
        if twin is None:
            self._take(snap(self._bodies[part.rank], part), said=part)
        elif self._take(twin):
            source = self._sources[part.rank]
            place = Place(
                article_id=source.article_id,
                revision_id=source.revision_id,
                start=part.start,
                end=part.end,
            )
            self.folds.append((twin, place))

    def _take(self, part: Part, *, said: Part | None = None) -> bool:
        """Whether it fits, or was there. Repetitions of `said` will be folded into it."""
        cost = self._cost(part)
        if cost > self.left:
            return False
        if cost:
            self.left -= cost
            self.taken.append(part)
            self._said.add(said or part)
        return True

    def _is_short(self, whole: Part) -> bool:
        return self._cost(whole) <= min(self.left, SHORT * self._budget)

    def _repeats(self, rank: int) -> bool:
        """Whether a passage of the article is said by another, so that it is not taken whole
        (unless all of it is)."""
        article = self._sources[rank].article_id
        if any(place.article_id == article for _, place in self.folds):
            return True
        parts = (Part(rank=rank, start=m.start, end=m.end) for m in self._passages[rank])
        return any(self._said.twin(part) for part in parts)

    def _characters(self) -> int:
        ranges = (each for rank in range(len(self._bodies)) for each in self.ranges(rank))
        return sum(end - start for start, end in ranges)

    def _whole(self, rank: int) -> Part:
        return Part(rank=rank, start=0, end=len(self._bodies[rank]))

    def _cost(self, part: Part) -> int:
        """Tokens of what is not taken yet of it, rounded up."""
        before = sum(end - start for start, end in self.ranges(part.rank))
        after = sum(end - start for start, end in self.ranges(part.rank, part))
        return math.ceil((after - before) * self._rates[part.rank])


def snap(body: str, part: Part) -> Part:
    """With the rest of its first and last line, if that is short."""
    line = body.rfind("\n", 0, part.start) + 1
    # A passage that ends with its line needs nothing of the next one.
    ended = body[part.end - 1 : part.end] == "\n"
    after = part.end if ended else body.find("\n", part.end)
    after = len(body) if after < 0 else after
    return Part(
        rank=part.rank,
        start=line if part.start - line <= SNAP_CHARACTERS else part.start,
        end=after if after - part.end <= SNAP_CHARACTERS else part.end,
    )


def _merge(ranges: Iterable[tuple[int, int]], body: str) -> list[tuple[int, int]]:
    """White space alone parts nothing."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and (start <= merged[-1][1] or body[merged[-1][1] : start].isspace()):
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
