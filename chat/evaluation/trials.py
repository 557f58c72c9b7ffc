"""What `evaluate_retrieval` tries: questions, where they are asked, and by which settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chat.answering.extractive import ExtractiveGenerator
from chat.evaluation.calibrating import judge_halves
from chat.evaluation.dataset import Dataset
from chat.evaluation.hiding import hide_half
from chat.evaluation.questions import AskedQuestion
from chat.evaluation.recording import Progress, fail_run, open_run, record
from chat.evaluation.report import RunReport, report_of
from chat.evaluation.run import Asker
from chat.evaluation.scratch import Scratch, own_workspace, prepare_scratch
from chat.evaluation.sources import dataset_questions, first_questions, set_questions
from chat.evaluation.turns import HistoryMode
from chat.models import EvaluationRun, QuestionOutcome, QuestionSet, RunState
from chat.retrieval.settings import load_profile
from embeddings import waiting
from embeddings.live import live_version
from embeddings.models import IndexVersion
from kb.errors import Conflict, InvalidInput
from kb.models import Workspace

Embedding = Callable[[waiting.Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How questions are asked. `profile` is looked up in `workspace` (None: where they are
    asked); `limit` counts answerable and unanswerable questions each."""

    encoder: str
    profile: str | None = None
    workspace: Workspace | None = None
    language: str | None = None
    history: HistoryMode | None = None
    answers: bool = False
    hide_half: bool = False
    fit_half: bool = False
    limit: int | None = None

    def compared(self, what: str, name: str) -> Options:
        """The same with another profile, encoder or strategy. Raises InvalidInput."""
        if what == "profile":
            return replace(self, profile=name)
        if what == "encoder":
            return replace(self, encoder=name)
        if what == "strategy":
            return replace(self, encoder=f"{self.encoder.partition('@')[0]}@{name}")
        raise InvalidInput("Compare with profile=NAME, encoder=NAME or strategy=NAME.")

    def as_json(self) -> dict[str, Any]:
        """What the run's row keeps."""
        return {
            "answers": self.answers,
            "hide_half": self.hide_half,
            "fit_half": self.fit_half,
            "history": self.history and self.history.value,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Ready to be asked."""

    name: str
    scratch: Scratch
    asker: Asker
    questions: Sequence[AskedQuestion]
    options: dict[str, Any]
    question_set: QuestionSet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A trial's run with its outcomes and figures; `fitted` judges a confidence fitted to one
    half on the other, if that was wanted."""

    trial: Trial
    run: EvaluationRun
    outcomes: Sequence[QuestionOutcome]
    report: RunReport
    fitted: Mapping[str, Any] = field(default_factory=dict)


def dataset_trial(
    dataset: Dataset, options: Options, *, on_embedding: Embedding | None = None
) -> Trial:
    """The corpus in a scratch workspace, imported and embedded if it is not there yet."""
    scratch = prepare_scratch(
        dataset, encoder=options.encoder, language=options.language, on_progress=on_embedding
    )
    questions = dataset_questions(
        dataset, scratch.workspace, history=options.history, unanswerable=options.answers
    )
    version = live_version(scratch.workspace)
    return _trial(dataset.name, scratch, version, questions, options)


def set_trial(question_set: QuestionSet, options: Options) -> Trial:
    """A workspace's own questions, asked of its version of the chosen encoder."""
    workspace = question_set.workspace
    questions, lost = set_questions(question_set, unanswerable=options.answers)
    trial = _trial(
        question_set.slug,
        own_workspace(workspace),
        version_with(workspace, options.encoder),
        questions,
        options,
    )
    options_kept = {**trial.options, "lost_quotes": lost}
    return replace(trial, question_set=question_set, options=options_kept)


def version_with(workspace: Workspace, encoder: str) -> IndexVersion:
    """The live version if it has this encoder, else another. Raises Conflict for none."""
    live = live_version(workspace)
    if live.encoder == encoder:
        return live
    versions = IndexVersion.objects.active().filter(workspace=workspace, encoder=encoder)
    found = versions.order_by("-number").first()
    if found is None:
        raise Conflict(
            f"Workspace {workspace.slug!r} has no index version with the encoder {encoder!r}; "
            f"its live one has {live.encoder!r}."
        )
    return found


def perform(trial: Trial, *, on_progress: Progress | None = None) -> Tried:
    """Ask everything in this process, and keep the run. Raises Conflict if it was cancelled."""
    run = open_run(
        trial.scratch.workspace,
        dataset=trial.name,
        profile=trial.asker.settings,
        version=trial.asker.version,
        question_set=trial.question_set,
        options=trial.options,
        claimed=True,
    )
    try:
        record(run, trial.questions, trial.asker, on_progress=on_progress)
    except BaseException as error:
        fail_run(run, reason=str(error) or "Interrupted.")
        raise
    if run.state != RunState.DONE:
        raise Conflict(f"Run {run.pk} was cancelled.")
    outcomes = list(run.outcomes.all())
    report = report_of(outcomes, threshold=trial.asker.settings.abstain_below)
    fitted = _fitted(outcomes, trial.options) if trial.options["fit_half"] else {}
    return Tried(trial=trial, run=run, outcomes=outcomes, report=report, fitted=fitted)


def _fitted(outcomes: Sequence[QuestionOutcome], options: Mapping[str, Any]) -> dict[str, Any]:
    """Where articles are hidden, by whether the question can be answered at all; else by
    whether it was."""
    return judge_halves(outcomes, label="answerable" if options["hide_half"] else "right")


def _trial(
    name: str,
    scratch: Scratch,
    version: IndexVersion,
    questions: Sequence[AskedQuestion],
    options: Options,
) -> Trial:
    chosen = first_questions(questions, options.limit)
    if not chosen:
        raise InvalidInput(f"{name} has no question that can be asked.")
    profile = load_profile(options.workspace or scratch.workspace, options.profile)
    return Trial(
        name=name,
        scratch=scratch,
        asker=Asker(
            workspace=scratch.workspace,
            version=version,
            settings=profile,
            generator=ExtractiveGenerator() if options.answers else None,
        ),
        questions=hide_half(chosen) if options.hide_half else chosen,
        options=options.as_json(),
    )
