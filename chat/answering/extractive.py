"""The generator that needs no key and no network: it quotes the sentences that answer."""

from __future__ import annotations

from collections.abc import Sequence

from chat.answering.abstaining import abstention, reason_for
from chat.answering.base import Answer, Quote, Reason
from chat.answering.calibrated import certainty_of
from chat.answering.confidence import features
from chat.answering.quotes import Passage, choose_passages, readable
from chat.answering.ranking import rank_sentences
from chat.retrieval.results import Retrieval
from embeddings.encoders.registry import get_encoder
from embeddings.spending import spending


class ExtractiveGenerator:
    """Verbatim sentences with numbered citations, or an abstention below the threshold."""

    name = "extractive"

    def generate(self, retrieval: Retrieval, *, language: str) -> Answer:
        """One to three quotes, the best first. Two queries, one forward pass."""
        encoder = get_encoder(retrieval.index.encoder)
        with spending(workspace_id=retrieval.scope.workspace_id, encoder=retrieval.index.encoder):
            ranked = rank_sentences(retrieval, encoder=encoder)
        evidence = features(retrieval, ranked)
        sure = certainty_of(evidence, retrieval=retrieval, generator=self.name)
        passages = choose_passages(ranked)
        if not passages or sure.confidence < retrieval.settings.abstain_below:
            return Answer(
                text=abstention(language),
                confidence=sure.confidence if passages else 0.0,
                reason=reason_for(evidence) if passages else Reason.NO_MATCH,
                language=language,
                generator=self.name,
                evidence=evidence,
                calibration=sure.calibration,
            )
        return Answer(
            text=compose(passages),
            citations=tuple(cite(passages)),
            confidence=sure.confidence,
            language=language,
            generator=self.name,
            evidence=evidence,
            calibration=sure.calibration,
        )


def compose(passages: Sequence[Passage]) -> str:
    """The answer's text: each passage without Markdown, and its citation's number."""
    return " ".join(
        f"{readable(passage)} [{number}]" for number, passage in enumerate(passages, start=1)
    )


def cite(passages: Sequence[Passage]) -> list[Quote]:
    """Citations in the order of the answer, numbered from 1."""
    return [
        Quote(
            number=number,
            article_id=passage.source.article_id,
            revision_id=passage.source.revision_id,
            external_id=passage.source.external_id,
            title=passage.source.title,
            start=passage.start,
            end=passage.end,
            quote=passage.text,
        )
        for number, passage in enumerate(passages, start=1)
    ]
