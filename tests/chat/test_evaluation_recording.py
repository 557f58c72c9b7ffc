"""Runs as rows: they go on where they stopped, are cancelled, and fail with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.evaluation import recording
from chat.evaluation.continuing import asker_of, continue_run
from chat.evaluation.recording import claim_run, record
from chat.evaluation.sources import set_questions
from chat.evaluation.tasks import run_evaluation, sweep_evaluations
from chat.models import EvaluationRun, QuestionOrigin, QuestionSet, RetrievalProfile, RunState
from chat.services.evaluations import cancel_run, start_run
from chat.services.question_sets import Expectation, NewQuestion, add_question, create_question_set
from embeddings.models import IndexVersion, VersionState
from kb.errors import Conflict, InvalidInput, NotFound
from kb.models import Workspace
from tests.chat.conftest import Publish
from tests.factories import live, make_workspace

pytestmark = pytest.mark.django_db

QUESTIONS = 20


@pytest.fixture
def question_set(workspace: Workspace, publish: Publish) -> QuestionSet:
    """Twenty answerable questions and one that is not."""
    made = create_question_set(workspace, name="Support")
    article = publish(title="Refunds", body="A refund takes five days.")
    place = Expectation(article=article, quote="five days")
    for number in range(QUESTIONS):
        question = NewQuestion(text=f"how long does refund {number} take", expected=(place,))
        add_question(made, question, origin=QuestionOrigin.MANUAL)
    nothing = NewQuestion(text="is there life on Mars", answerable=False)
    add_question(made, nothing, origin=QuestionOrigin.MANUAL)
    return made


def keys(run: EvaluationRun) -> list[str]:
    return list(run.outcomes.values_list("key", flat=True))


def interrupt(run: EvaluationRun, *, after: Callable[[int], None]) -> None:
    """Work on a run, and stop without a word as a killed process does."""
    claimed = claim_run(run.pk)
    assert claimed
    assert run.question_set
    questions, _ = set_questions(run.question_set)

    def stop(done: int, _: int) -> None:
        after(done)

    record(claimed, questions, asker_of(claimed), on_progress=stop)


def forget_lease(run: EvaluationRun) -> None:
    EvaluationRun.objects.filter(pk=run.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def test_a_run_is_kept_with_all_that_decided_it(question_set: QuestionSet) -> None:
    RetrievalProfile.objects.create(
        workspace=question_set.workspace, name="wide", settings={"articles": 50}
    )
    run = start_run(question_set, profile="wide")
    assert (run.state, run.profile, run.settings["articles"]) == (RunState.RUNNING, "wide", 50)
    version = live(question_set.workspace)
    assert (run.index_version_id, run.index_version_number) == (version.pk, 1)
    assert (run.encoder, run.fingerprint) == ("hash", version.fingerprint)
    assert run.git_version
    run_evaluation(run.pk)
    run.refresh_from_db()
    assert (run.state, run.done, run.total) == (RunState.DONE, QUESTIONS, QUESTIONS)
    assert (run.measures["hit@1"], run.measures["span_recall"]) == (1.0, 1.0)
    assert run.legs["article_words"]["ndcg@10"] == 1.0
    assert run.latency["p50_ms"] > 0
    assert (run.abstention, run.lease, run.error) == ({}, None, "")
    assert run.finished_at is not None


def test_a_run_with_answers_asks_the_unanswerable_too(question_set: QuestionSet) -> None:
    run = start_run(question_set, answers=True)
    run_evaluation(run.pk)
    run.refresh_from_db()
    assert run.total == run.done == QUESTIONS + 1
    assert run.abstention["unanswerable"] == 1


def test_a_killed_run_goes_on_and_asks_nothing_twice(question_set: QuestionSet) -> None:
    run = start_run(question_set)

    def die(done: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt(run, after=die)
    first = keys(run)
    assert len(first) == 8
    assert claim_run(run.pk) is None  # the lease of the dead process has not run out
    assert continue_run(run.pk, seconds=60)
    assert len(keys(run)) == 8
    forget_lease(run)
    assert continue_run(run.pk, seconds=60)
    run.refresh_from_db()
    assert keys(run)[:8] == first
    assert len(set(keys(run))) == len(keys(run)) == QUESTIONS
    assert (run.state, run.done) == (RunState.DONE, QUESTIONS)


def test_a_long_run_takes_turns(question_set: QuestionSet) -> None:
    run = start_run(question_set)
    assert not continue_run(run.pk, seconds=0)
    assert len(keys(run)) == recording.STORED_AT_ONCE
    assert not continue_run(run.pk, seconds=0)
    assert continue_run(run.pk, seconds=60)
    run.refresh_from_db()
    assert run.state == RunState.DONE


def test_the_sweep_finds_what_nobody_works_on(
    question_set: QuestionSet, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    with django_capture_on_commit_callbacks() as nudges:  # type: ignore[attr-defined]
        run = start_run(question_set)
    assert len(nudges) == 1
    assert sweep_evaluations() == 1
    claim_run(run.pk)
    assert sweep_evaluations() == 0
    forget_lease(run)
    assert sweep_evaluations() == 1
    cancel_run(run)
    assert sweep_evaluations() == 0


def test_a_cancelled_run_stops_and_keeps_what_it_has(question_set: QuestionSet) -> None:
    run = start_run(question_set)
    interrupt(run, after=lambda _: cancel_run(run) if len(keys(run)) == 8 else None)
    run.refresh_from_db()
    assert (run.state, run.done, len(keys(run))) == (RunState.CANCELLED, 8, 8)
    assert run.measures == {}
    with pytest.raises(Conflict):
        cancel_run(run)
    assert continue_run(run.pk, seconds=60)
    assert len(keys(run)) == 8


def test_whoever_lost_the_lease_stores_nothing(question_set: QuestionSet) -> None:
    run = start_run(question_set)

    def steal(done: int) -> None:
        if done == 8:
            forget_lease(run)
            assert claim_run(run.pk)

    interrupt(run, after=steal)
    run.refresh_from_db()
    assert (run.state, len(keys(run))) == (RunState.RUNNING, 8)


def test_a_run_that_kills_its_workers_is_given_up(question_set: QuestionSet) -> None:
    run = start_run(question_set)
    for _ in range(recording.MAX_ATTEMPTS):
        assert claim_run(run.pk)
        forget_lease(run)
    assert continue_run(run.pk, seconds=60)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "died" in run.error


def test_an_encoder_that_is_away_is_waited_for(question_set: QuestionSet) -> None:
    run = start_run(question_set)
    changed = IndexVersion.objects.filter(pk=run.index_version_id)
    fingerprint = changed.get().fingerprint
    changed.update(fingerprint="another")
    for _ in range(recording.MAX_ATTEMPTS + 1):
        assert continue_run(run.pk, seconds=60)
    run.refresh_from_db()
    assert (run.state, run.lease) == (RunState.RUNNING, None)
    assert "Waiting for the encoder" in run.error
    changed.update(fingerprint=fingerprint)
    assert continue_run(run.pk, seconds=60)
    run.refresh_from_db()
    assert (run.state, run.error) == (RunState.DONE, "")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda run: run.question_set.delete(), "questions are gone"),
        (
            lambda run: IndexVersion.objects.filter(pk=run.index_version_id).update(
                state=VersionState.RETIRED
            ),
            "version 1 is gone",
        ),
        (
            lambda run: EvaluationRun.objects.filter(pk=run.pk).update(settings={"articles": 0}),
            "articles must be",
        ),
    ],
)
def test_what_cannot_go_on_fails_with_the_reason(
    question_set: QuestionSet, spoil: Callable[[EvaluationRun], object], told: str
) -> None:
    run = start_run(question_set)
    spoil(run)
    assert continue_run(run.pk, seconds=60)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert told in run.error


def test_what_cannot_begin_is_refused(workspace: Workspace, question_set: QuestionSet) -> None:
    with pytest.raises(InvalidInput, match="no question"):
        start_run(create_question_set(workspace, name="Empty"))
    with pytest.raises(NotFound, match="'nope'"):
        start_run(question_set, profile="nope")
    with pytest.raises(NotFound):
        start_run(question_set, version=live(make_workspace()))
    assert not EvaluationRun.objects.exists()


def test_the_database_refuses_nonsense(question_set: QuestionSet) -> None:
    run = start_run(question_set)
    rows = EvaluationRun.objects.filter(pk=run.pk)
    for values in (
        {"state": "dreaming"},
        {"done": 21, "total": 20},
        {"state": "done"},  # without the time it ended
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**values)
    continue_run(run.pk, seconds=60)
    outcome = run.outcomes.all()[0]
    for key, confidence in ((outcome.key, None), ("new", 1.5)):
        outcome.pk, outcome.key, outcome.confidence = None, key, confidence
        with pytest.raises(IntegrityError), transaction.atomic():
            outcome.save(force_insert=True)
