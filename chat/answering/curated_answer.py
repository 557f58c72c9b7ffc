"""A curated answer as an answer: the approved text, and the sentences that it stands on."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from chat.answering.base import Answer, CuratedMatch, Quote
from chat.models import CuratedAnswer
from chat.retrieval.conversation import Turn
from chat.retrieval.legs import LegResults
from chat.retrieval.question import Question
from chat.retrieval.results import IndexIdentity, Retrieval
from chat.retrieval.rewriting import Rewriting
from chat.retrieval.settings import PipelineSettings
from chat.retrieval.sources import Source, load_sources
from embeddings.models import IndexVersion
from embeddings.words import WordQuery
from kb.blocks import Block, BlockKind, parse_blocks
from kb.models import Workspace
from kb.search import SearchScope
from kb.sentences import split_block
from kb.terms import QuestionTerms

GENERATOR = "curated"
WORD = re.compile(r"\w+")


def give_curated(match: CuratedMatch, *, scope: SearchScope) -> Answer | None:
    """The approved text with a citation for each source; None if it went meanwhile.

    The whole text was approved by a person, so its statements need no citation each; every
    source is read anew and must be published in scope. Three queries.
    """
    workspace = Workspace(pk=scope.workspace_id)
    given = CuratedAnswer.objects.answering(workspace, include_internal=scope.include_internal)
    curated = given.filter(pk=match.answer_id).first()
    cited = _cite(curated, scope) if curated else None
    if curated is None or cited is None:
        return None
    return Answer(
        text=curated.text,
        citations=tuple(cited),
        confidence=match.similarity,
        language=curated.language,
        generator=GENERATOR,
        evidence={"similarity": match.similarity},
        curated=match,
    )


def nothing_retrieved(
    question: str,
    *,
    history: Sequence[Turn],
    rewriting: Rewriting,
    version: IndexVersion,
    scope: SearchScope,
    settings: PipelineSettings,
    timings: dict[str, float],
) -> Retrieval:
    """What stands in a trace for the retrieval that a curated answer made needless."""
    terms = QuestionTerms(documents=0, languages={})
    vector = np.zeros(version.dimension, dtype=np.float32)
    return Retrieval(
        asked=question,
        history=tuple(history),
        rewriting=rewriting,
        question=Question(
            text=rewriting.text,
            parts=(rewriting.text,),
            vector=vector,
            standalone=rewriting.text,
        ),
        index=IndexIdentity(
            id=version.pk,
            number=version.number,
            encoder=version.encoder,
            fingerprint=version.fingerprint,
        ),
        scope=scope,
        settings=settings,
        legs=LegResults(terms=terms, words=WordQuery(weights={}, terms=())),
        fused=(),
        hits=(),
        context=(),
        timings=timings,
    )


def _cite(curated: CuratedAnswer, scope: SearchScope) -> list[Quote] | None:
    """None if a source is gone: an answer without its ground is not given."""
    articles = [source.article for source in curated.sources.select_related("article")]
    revisions = [each.published_revision_id if each else None for each in articles]
    known = [revision for revision in revisions if revision is not None]
    sources = load_sources(known, scope=scope) if known else {}
    if len(known) < len(articles) or len(sources) < len(known):
        return None
    return [
        _quote(number, sources[revision], curated.text)
        for number, revision in enumerate(known, start=1)
    ]


def _quote(number: int, source: Source, text: str) -> Quote:
    start, end = most_alike(source.body, text, language=source.language)
    return Quote(
        number=number,
        article_id=source.article_id,
        revision_id=source.revision_id,
        external_id=source.external_id,
        title=source.title,
        start=start,
        end=end,
        quote=source.body[start:end],
    )


def most_alike(body: str, text: str, *, language: str) -> tuple[int, int]:
    """Where in `body` the sentence stands that shares most of its words with `text`."""
    wanted = _words(text)
    blocks = [each for each in parse_blocks(body) if _says_something(each)]
    if not blocks:
        return (0, len(body))
    block = _best_block(body, blocks, wanted)
    places = split_block(body, block, language) or [(block.start, block.end)]
    return max(places, key=lambda place: _alike(_words(body[slice(*place)]), wanted))


def _says_something(block: Block) -> bool:
    """Not a heading, nor the head of a table."""
    return block.kind != BlockKind.HEADING and block.header != (block.start, block.end)


def _best_block(body: str, blocks: Sequence[Block], wanted: set[str]) -> Block:
    return max(blocks, key=lambda each: _alike(_words(body[each.start : each.end]), wanted))


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.casefold()))


def _alike(words: set[str], wanted: set[str]) -> float:
    """Dice's coefficient, 0 to 1."""
    return 2 * len(words & wanted) / max(len(words) + len(wanted), 1)
