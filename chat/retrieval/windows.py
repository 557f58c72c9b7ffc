"""Passages of an article that the index does not have yet (or did not put forward)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chat.retrieval.fusion import PassageMatch
from chat.retrieval.results import ArticleMatch
from chat.retrieval.settings import PipelineSettings
from embeddings.encoders.base import Encoder
from embeddings.words import WordQuery, passage_weights
from kb.blocks import parse_blocks
from kb.words import words_of

WINDOW_CHARACTERS = 800


def passages_of(
    articles: Sequence[ArticleMatch], asked: WordQuery, *, settings: PipelineSettings
) -> dict[int, tuple[PassageMatch, ...]]:
    """By article id, its passages, best first: those found by vector, else windows by words.

    One query if any article needs windows, none otherwise.
    """
    without = [article for article in articles if not article.fused.passages]
    by_words = _windows_by_words(without, asked, settings) if without else {}
    return {
        article.source.article_id: article.fused.passages or by_words[article.source.article_id]
        for article in articles
    }


def cut_windows(body: str) -> list[tuple[int, int]]:
    """Neighbouring blocks in windows of about 800 characters; together they hold all text.

    A block longer than that is a window of its own.
    """
    windows: list[tuple[int, int]] = []
    for block in parse_blocks(body):
        if windows and block.end - windows[-1][0] <= WINDOW_CHARACTERS:
            windows[-1] = (windows[-1][0], block.end)
        else:
            windows.append((block.start, block.end))
    return windows or [(0, len(body))]


def first_part(
    body: str, place: tuple[int, int], *, encoder: Encoder, allowance: int
) -> list[tuple[int, int]]:
    """The longest beginning of `body[start:end]` of whole words within `allowance` tokens.

    Empty if not even the first word fits.
    """
    start, end = place
    cuts = [at for at in range(start + 1, end + 1) if at == end or body[at].isspace()]
    low, high = 0, len(cuts)
    while low < high:  # the largest number of cuts whose text fits
        middle = (low + high + 1) // 2
        [tokens] = encoder.count_tokens([body[start : cuts[middle - 1]]])
        low, high = (middle, high) if tokens <= allowance else (low, middle - 1)
    return [(start, cuts[low - 1])] if low else []


def _windows_by_words(
    articles: Sequence[ArticleMatch], asked: WordQuery, settings: PipelineSettings
) -> Mapping[int, tuple[PassageMatch, ...]]:
    places = [
        (article, window) for article in articles for window in cut_windows(article.source.body)
    ]
    texts = [f"{article.source.title}\n{article.source.body[s:e]}" for article, (s, e) in places]
    words = words_of(texts, [article.source.language for article, _ in places])
    found: dict[int, list[PassageMatch]] = {article.source.article_id: [] for article in articles}
    for (article, (start, end)), said in zip(places, words, strict=True):
        weights = passage_weights(said)
        share = sum(weight * weights.get(number, 0.0) for number, weight in asked.weights.items())
        score = settings.passage_words_weight * share
        match = PassageMatch(start=start, end=end, similarity=None, words=share, score=score)
        found[article.source.article_id].append(match)
    return {
        key: tuple(sorted(each, key=lambda m: (-m.score, m.start))) for key, each in found.items()
    }
