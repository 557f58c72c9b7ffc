"""`retrieve`: the one path from a question to context.

The chat API, `/retrieve`, `ask`, the evaluation, the playground and MCP all call it, with
the same saved profile: what one shows, the others do.
"""

from __future__ import annotations

from collections.abc import Sequence

from chat.retrieval.context import build_context
from chat.retrieval.fusion import FusedArticle, fuse
from chat.retrieval.legs import run_legs
from chat.retrieval.question import clean_question, encode_question
from chat.retrieval.results import ArticleMatch, IndexIdentity, Retrieval
from chat.retrieval.settings import PipelineSettings, load_profile
from chat.retrieval.sources import load_sources
from chat.retrieval.timing import Stopwatch
from chat.retrieval.windows import passages_of
from embeddings.live import encoder_of, live_version
from embeddings.models import IndexVersion
from embeddings.spending import spending
from kb.models import Workspace
from kb.search import SearchScope


def retrieve(
    question: str,
    *,
    workspace: Workspace,
    include_internal: bool = False,
    profile: PipelineSettings | str | None = None,
    collections: Sequence[str] = (),
    languages: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> Retrieval:
    """Articles and context for `question`, from what is published at this moment.

    At most ten queries, however many articles there are. Nothing is saved. Raises
    QuestionRejected, NotFound (profile), NoLiveIndex, FingerprintChanged, EncoderUnavailable.
    """
    watch = Stopwatch()
    text = clean_question(question)
    settings = _settings(workspace, profile)
    version = live_version(workspace)
    encoder = encoder_of(version)
    scope = SearchScope(
        workspace_id=workspace.pk,
        include_internal=include_internal,
        collections=tuple(collections),
        languages=tuple(languages),
        tags=tuple(tags),
    )
    with watch.lap("encode"), spending(workspace_id=workspace.pk, encoder=version.encoder):
        asked = encode_question(encoder, text)
    legs = run_legs(version, asked, scope=scope, settings=settings, watch=watch)
    with watch.lap("fuse"):
        fused = fuse(legs, settings)
    with watch.lap("context"):
        hits = _load(fused[: settings.articles], scope)
        read = hits[: settings.context_articles]
        matches = passages_of(read, legs.terms, settings=settings)
        context = build_context(read, matches, encoder=encoder, settings=settings)
    return Retrieval(
        question=asked,
        index=_identity(version),
        scope=scope,
        settings=settings,
        legs=legs,
        fused=tuple(fused),
        hits=tuple(hits),
        context=tuple(context),
        timings=watch.milliseconds(),
    )


def _settings(workspace: Workspace, profile: PipelineSettings | str | None) -> PipelineSettings:
    if isinstance(profile, PipelineSettings):
        return profile
    return load_profile(workspace, profile)


def _load(fused: Sequence[FusedArticle], scope: SearchScope) -> list[ArticleMatch]:
    """Those still published in scope, in order; one republished meanwhile drops out too,
    since its offsets belong to the text before."""
    sources = load_sources([each.revision_id for each in fused], scope=scope)
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
