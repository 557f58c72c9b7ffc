"""What a candidate made of live questions: how far it agrees, and where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from chat.admin.evaluation_page import NOTHING, share
from chat.admin.version_pages import page_context, version_or_404
from chat.models import ShadowComparison
from chat.shadow.summary import ShadowSummary, summarise_shadow
from embeddings.errors import NoLiveIndex
from embeddings.live import live_version
from embeddings.models import IndexVersion
from kb.access import Permission
from kb.models import Article


def shadow_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Beside the live version; it names visitors' questions, so it takes the right to read them."""
    version = version_or_404(request, pk, Permission.TRACES_READ)
    context = page_context(request, version, "Live questions asked of it too")
    try:
        live = live_version(version.workspace)
    except NoLiveIndex:
        return TemplateResponse(request, "chat/admin/shadow.html", context)
    summary = summarise_shadow(version, beside=live)
    context |= {
        "live": live,
        "share": _percent(version.shadow_share),
        "summary": summary,
        "figures": figures_of(summary) if summary.questions else (),
        "different": rows_of(version, summary.different),
        "more": summary.different_count - len(summary.different),
    }
    return TemplateResponse(request, "chat/admin/shadow.html", context)


def figures_of(summary: ShadowSummary) -> tuple[tuple[str, str], ...]:
    """Names and values."""
    return (
        ("Questions", f"{summary.questions:,}"),
        ("Same article first", _percent(summary.agreement)),
        ("In common of the first five", _percent(summary.overlap)),
        ("Answered live", _percent(summary.live_answered)),
        ("Answered here", _percent(summary.candidate_answered)),
        ("Answered live alone", f"{summary.only_live:,}"),
        ("Answered here alone", f"{summary.only_candidate:,}"),
        ("Mean confidence live", share(summary.live_confidence)),
        ("Mean confidence here", share(summary.candidate_confidence)),
        ("Median time live", _milliseconds(summary.live_ms)),
        ("Median time here, on a worker", _milliseconds(summary.candidate_ms)),
    )


def rows_of(
    version: IndexVersion, different: Sequence[ShadowComparison]
) -> list[dict[str, object]]:
    """For the table; one query for the titles."""
    titles = _titles(version, different)
    return [
        {
            "trace": each.trace,
            "live_top": _top(each.live_ranking, titles),
            "candidate_top": _top(each.candidate_ranking, titles),
            "overlap": _percent(each.overlap),
            "live": _answer(answered=each.live_answered, confidence=each.live_confidence),
            "candidate": _answer(
                answered=each.candidate_answered, confidence=each.candidate_confidence
            ),
        }
        for each in different
    ]


def _titles(version: IndexVersion, different: Iterable[ShadowComparison]) -> dict[int, str]:
    leading = {
        article
        for each in different
        for article in (*each.live_ranking[:1], *each.candidate_ranking[:1])
    }
    mine = Article.objects.in_workspace(version.workspace).filter(pk__in=leading)
    return dict(mine.values_list("pk", "latest_revision__title"))


def _top(ranking: Sequence[int], titles: dict[int, str]) -> str:
    return titles.get(ranking[0], "an article that is gone") if ranking else NOTHING


def _answer(*, answered: bool, confidence: float) -> str:
    return f"{'answered' if answered else 'declined'}, {confidence:.2f}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1%}"


def _milliseconds(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f} ms"
