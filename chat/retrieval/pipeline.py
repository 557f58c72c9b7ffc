"""`retrieve`: the one path from a question to context.

The chat API, `/retrieve`, `ask`, the evaluation, the playground and MCP all call it, with
the same saved profile: what one shows, the others do.
"""

from __future__ import annotations

from collections.abc import Sequence

from chat.retrieval.candidates import gather_candidates
from chat.retrieval.context import build_context
from chat.retrieval.conversation import Turn, spell_out, weigh_history
from chat.retrieval.fusion import FusedArticle, fuse
from chat.retrieval.legs import LegResults, run_legs
from chat.retrieval.question import Question, clean_question, encode_question
from chat.retrieval.reranking import rerank
from chat.retrieval.results import ArticleMatch, IndexIdentity, Reranking, Retrieval
from chat.retrieval.rewriting import Rewriting, rewrite_question
from chat.retrieval.settings import PipelineSettings, load_settings
from chat.retrieval.sources import load_sources
from chat.retrieval.timing import Stopwatch
from chat.retrieval.windows import passages_of
from embeddings.encoders.base import Encoder
from embeddings.encoders.registry import languages_of
from embeddings.live import encoder_of, live_version
from embeddings.models import IndexVersion
from embeddings.spending import spending
from kb.models import Workspace
from kb.search import NO_FILTERS, Filters, SearchScope


def retrieve(
    question: str,
    *,
    workspace: Workspace,
    include_internal: bool = False,
    profile: PipelineSettings | str | None = None,
    history: Sequence[Turn] = (),
    version: IndexVersion | None = None,
    filters: Filters = NO_FILTERS,
    rewriting: Rewriting | None = None,
) -> Retrieval:
    """Articles and context for `question`, from what is published at this moment.

    With `history` it is made to stand alone, unless the caller has done that (`rewriting`).
    At most twelve queries, however many articles there are, and two more with a reranker (not
    counting what settings an HNSW walk takes). Nothing is saved. Raises QuestionRejected,
    NotFound (profile), NoLiveIndex, FingerprintChanged, EncoderUnavailable.
    """
    watch = Stopwatch()
    text = clean_question(question)
    settings = load_settings(workspace, profile)
    version = version or live_version(workspace)
    encoder = encoder_of(version)
    scope = SearchScope(
        workspace_id=workspace.pk,
        include_internal=include_internal,
        filters=filters,
    )
    with watch.lap("rewrite"):
        rewriting = rewriting or rewrite_question(text, history, settings=settings)
    with watch.lap("encode"), spending(workspace_id=workspace.pk, encoder=version.encoder):
        asked = _encode(encoder, rewriting, history, settings)
    legs = run_legs(version, asked, scope=scope, settings=settings, watch=watch)
    fused, reranking = _rank(version, asked, legs, scope=scope, settings=settings, watch=watch)
    with watch.lap("context"):
        hits = _load(fused[: settings.articles], scope, version)
        read = hits[: settings.context_articles]
        matches = passages_of(read, legs.words, settings=settings)
        context = build_context(read, matches, encoder=encoder, settings=settings)
    return Retrieval(
        asked=text,
        history=tuple(history),
        rewriting=rewriting,
        question=asked,
        index=_identity(version),
        scope=scope,
        settings=settings,
        legs=legs,
        fused=tuple(fused),
        hits=tuple(hits),
        context=tuple(context),
        timings=watch.milliseconds(),
        reranking=reranking,
    )


def _encode(
    encoder: Encoder, rewriting: Rewriting, history: Sequence[Turn], settings: PipelineSettings
) -> Question:
    """A question that stands alone asks alone; any other with what was said before it."""
    before = () if rewriting.rewritten_by else history
    return encode_question(
        encoder,
        rewriting.text,
        weigh_history(before, settings),
        standalone=spell_out(rewriting.text, before, settings),
    )


def _rank(
    version: IndexVersion,
    question: Question,
    legs: LegResults,
    *,
    scope: SearchScope,
    settings: PipelineSettings,
    watch: Stopwatch,
) -> tuple[list[FusedArticle], Reranking | None]:
    """One ranking from what the legs found, and what a reranker had to do with it."""
    with watch.lap("score"):
        candidates = gather_candidates(version, question, legs, scope=scope, settings=settings)
    with watch.lap("fuse"):
        fused = fuse(legs, candidates, settings, spoken=languages_of(version.encoder))
    with watch.lap("rerank"):
        return rerank(question.text, fused, words=legs.words, scope=scope, settings=settings)


def _load(
    fused: Sequence[FusedArticle], scope: SearchScope, version: IndexVersion
) -> list[ArticleMatch]:
    """Those still published in scope, in order; one republished meanwhile drops out too,
    since its offsets belong to the text before."""
    sources = load_sources([each.revision_id for each in fused], scope=scope, version=version)
    return [
        ArticleMatch(source=sources[each.revision_id], fused=each)
        for each in fused
        if each.revision_id in sources
    ]


def _identity(version: IndexVersion) -> IndexIdentity:
    return IndexIdentity(
        id=version.pk,
        number=version.number,
        encoder=version.encoder,
        fingerprint=version.fingerprint,
    )
