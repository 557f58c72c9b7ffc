"""What a worker does with a run: take it up where it stands, from the rows alone."""

from __future__ import annotations

from typing import Any

import structlog
from django.db.utils import Error as DatabaseFault

from chat.answering.extractive import ExtractiveGenerator
from chat.evaluation.gate_questions import Basis, gate_questions
from chat.evaluation.questions import AskedQuestion
from chat.evaluation.recording import claim_run, fail_run, record, release_run
from chat.evaluation.run import Asker
from chat.evaluation.sources import first_questions, set_questions
from chat.models import EvaluationRun
from chat.retrieval.settings import PipelineSettings, parse_settings
from embeddings.filling.loop import ENCODER_AT_FAULT
from embeddings.lifecycle import STORED
from embeddings.models import IndexVersion
from kb.errors import Conflict, DomainError

log = structlog.get_logger(__name__)


def continue_run(run_id: int, *, seconds: float) -> bool:
    """Work on a run for about so long; False when more is left to do right now.

    An encoder that is away leaves the run for the sweep; anything else that goes wrong ends
    it, with the reason in its row.
    """
    run = claim_run(run_id)
    if run is None:
        return True
    try:
        return _go_on(run, seconds=seconds)
    except ENCODER_AT_FAULT as error:
        release_run(run, reason=f"Waiting for the encoder: {error}")
    except DomainError as error:
        fail_run(run, reason=str(error))
    except DatabaseFault:
        raise  # the lease runs out, and the sweep finds the run
    except Exception as error:
        fail_run(run, reason=f"Unforeseen ({type(error).__name__}); the worker's log has it.")
        raise
    return True


def asker_of(run: EvaluationRun) -> Asker:
    """Asks as the run's row says. Raises Conflict when its index version is gone."""
    versions = IndexVersion.objects.filter(workspace=run.workspace_id)
    version = versions.filter(state__in=STORED, pk=run.index_version_id).first()
    if version is None:
        raise Conflict(f"Index version {run.index_version_number} is gone; start a new run.")
    return Asker(
        workspace=run.workspace,
        version=version,
        settings=settings_of(run),
        generator=ExtractiveGenerator() if run.options.get("answers") else None,
    )


def settings_of(run: EvaluationRun) -> PipelineSettings:
    """The profile as it was when the run was made."""
    values: dict[str, Any] = {k: v for k, v in run.settings.items() if k != "name"}
    return parse_settings(run.profile, values)


def _go_on(run: EvaluationRun, *, seconds: float) -> bool:
    asker = asker_of(run)
    questions, lost = _questions_of(run)
    if lost != run.options.get("lost_quotes", 0):
        run.options["lost_quotes"] = lost
        run.save(update_fields=["options"])
    chosen = first_questions(questions, run.options.get("limit"))
    return record(run, chosen, asker, seconds=seconds)


def _questions_of(run: EvaluationRun) -> tuple[list[AskedQuestion], int]:
    """And how many of their quotes are lost."""
    if gate := run.options.get("gate"):
        return gate_questions(run.workspace, Basis.from_json(gate))
    if run.question_set is None:
        raise Conflict(
            "Its questions are gone: the set was deleted, or the command that asked them ended."
        )
    return set_questions(run.question_set, unanswerable=bool(run.options.get("answers")))
