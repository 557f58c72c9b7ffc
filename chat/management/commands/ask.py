"""`manage.py ask "QUESTION" --workspace SLUG`: the answer that a visitor would get."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict

from chat.answering.answer import AnsweredQuestion, answer_question
from chat.shadow.offering import offer
from kb.commands import DomainCommand, find_workspace


class Command(DomainCommand):
    """The same path as the chat API; the trace is saved."""

    help = "Ask a question of a workspace's published articles."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Question and options."""
        parser.add_argument("question")
        parser.add_argument("--workspace", metavar="SLUG", required=True)
        parser.add_argument("--internal", action="store_true", help="internal articles too")
        parser.add_argument("--profile", metavar="NAME", help="retrieval profile")
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def run(
        self,
        *,
        question: str,
        workspace: str,
        internal: bool,
        profile: str | None,
        json: bool,
        **_: object,
    ) -> None:
        """Ask and print."""
        answered = answer_question(
            question,
            workspace=find_workspace(workspace),
            include_internal=internal,
            profile=profile,
        )
        self.stdout.write(as_json(answered) if json else as_text(answered))
        offer(answered.trace)


def as_json(answered: AnsweredQuestion) -> str:
    """Citations carry what is needed to find the quote: `quote == body[start:end]`."""
    answer = answered.answer
    return json.dumps(
        {
            "answer": answer.text,
            "citations": [asdict(citation) for citation in answer.citations],
            "abstained": answer.abstained,
            "confidence": round(answer.confidence, 4),
            "trace_id": str(answered.trace_id),
            "reason": str(answer.reason),
            "curated": answer.curated is not None,
            "curated_id": answer.curated.answer_id if answer.curated else None,
        },
        ensure_ascii=False,
        indent=2,
    )


def as_text(answered: AnsweredQuestion) -> str:
    """For people: the answer, then its sources."""
    answer = answered.answer
    lines = [answer.text, ""]
    for citation in answer.citations:
        name = citation.external_id or f"article {citation.article_id}"
        lines.append(
            f"[{citation.number}] {citation.title} ({name}, {citation.start}-{citation.end})"
        )
        lines += [f"    {line}" for line in citation.quote.splitlines()]
    outcome = f"abstained: {answer.reason}" if answer.abstained else "answered"
    if answer.curated:
        outcome = f"curated answer {answer.curated.answer_id}"
    lines.append(f"{outcome}, confidence {answer.confidence:.2f}, trace {answered.trace_id}")
    return "\n".join(lines)
