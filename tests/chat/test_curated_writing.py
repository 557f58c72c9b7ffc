"""Writing curated answers, over HTTP and by the service, and what their vectors go through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from chat import tasks
from chat.answering.curated_vectors import embed_curated_questions, lacking_questions
from chat.models import CuratedAnswer, CuratedQuestion, CuratedVector
from chat.services.curated import CuratedDraft, save_curated_answer
from embeddings.encoders.base import Matrix, Task
from embeddings.encoders.hash import HashEncoder
from embeddings.encoders.registry import forget_encoders
from embeddings.errors import EncoderUnavailable, TextNotEmbeddable
from embeddings.services.versions import create_index_version
from kb.access import caller_for_system
from kb.errors import Forbidden
from kb.models import Collection, Scope, Workspace
from kb.services import delete_article, unpublish_article
from tests.chat.conftest import ClientFor, Publish
from tests.chat.test_curated import curate
from tests.conftest import HASH_ENCODERS
from tests.factories import add_revision, live, make_workspace

URL = "/api/v1/curated-answers/"
GIVEN = {"text": "**Five** days.", "questions": ["How long does a refund take?", "refund time"]}
WRITER = (Scope.ARTICLES_READ, Scope.ARTICLES_PUBLISH)


@pytest.fixture
def writer(workspace: Workspace, client_for: ClientFor) -> APIClient:
    """A key that may write curated answers for the public."""
    return client_for(workspace, *WRITER)


def create(api: APIClient, **given: Any) -> dict[str, Any]:
    response = api.post(URL, {**GIVEN, **given})
    assert response.status_code == 201, response.content
    answer: dict[str, Any] = response.json()
    return answer


def test_answer_is_written_read_changed_and_deleted(
    writer: APIClient, workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body="Five days.", external_id="refunds")
    Collection.objects.create(workspace=workspace, name="Money", slug="money")
    made = create(writer, sources=[article.pk], collection="money")
    assert made["questions"] == GIVEN["questions"]
    assert made["sources"] == [{"article_id": article.pk, "external_id": "refunds"}]
    assert (made["language"], made["audience"], made["collection"]) == ("en", "public", "money")
    assert (made["state"], made["embedded"], made["enabled"]) == ("answering", False, True)
    url = f"{URL}{made['id']}/"
    embed_curated_questions(live(workspace))
    assert writer.get(url).json()["embedded"] is True
    changed = writer.patch(url, {"text": "Six days.", "questions": ["refund time", "new?"]}).json()
    assert (changed["text"], changed["questions"]) == ("Six days.", ["refund time", "new?"])
    assert (changed["collection"], changed["embedded"]) == ("money", False)
    assert writer.get(URL).json()["results"] == [changed]
    assert writer.delete(url).status_code == 204
    assert writer.get(url).status_code == 404
    assert not CuratedVector.objects.exists()


def test_state_says_why_an_answer_is_not_given(writer: APIClient, publish: Publish) -> None:
    article = publish(title="Refunds", body="Five days.")
    url = f"{URL}{create(writer, sources=[article.pk])['id']}/"
    past = (timezone.now() - timedelta(minutes=1)).isoformat()
    unpublish_article(article)
    assert writer.get(url).json()["state"] == "withdrawn"
    assert writer.patch(url, {"text": "x"}).json()["state"] == "withdrawn"  # its ground is gone
    assert writer.patch(url, {"sources": [], "valid_until": past}).json()["state"] == "expired"
    assert writer.patch(url, {"enabled": False}).json()["state"] == "disabled"
    assert writer.patch(url, {"enabled": True, "valid_until": None}).json()["state"] == "answering"


@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        ({"text": " \n"}, 400, "text"),
        ({"text": "a\x07b"}, 400, "text"),
        ({"text": "x" * 20_001}, 400, "text"),
        ({"questions": []}, 400, "questions"),
        ({"questions": [" "]}, 400, "questions"),
        ({"questions": ["a\x07b"]}, 400, "questions"),
        ({"questions": ["x" * 1001]}, 400, "questions"),
        ({"questions": [f"question {n}" for n in range(51)]}, 400, "questions"),
        ({"language": "xx"}, 400, "language"),
        ({"audience": "all"}, 400, "audience"),
        ({"sources": list(range(1, 12))}, 400, "sources"),
        ({"sources": [999]}, 404, ""),
        ({"collection": "none"}, 404, ""),
        ({"audience": "internal"}, 403, ""),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    writer: APIClient, given: dict[str, Any], status: int, field: str
) -> None:
    response = writer.post(URL, {**GIVEN, **given})
    assert response.status_code == status, response.content
    assert not field or field in response.json()["errors"]
    assert not CuratedAnswer.objects.exists()


def test_no_two_answers_share_a_question(writer: APIClient) -> None:
    create(writer)
    clash = writer.post(URL, {"text": "Other.", "questions": ["other", "REFUND time?"]})
    assert clash.status_code == 409
    assert "“REFUND time?”" in clash.json()["detail"]
    assert CuratedAnswer.objects.count() == 1
    other = make_workspace()
    draft = CuratedDraft(text="x", questions=("refund time",), language="en")
    save_curated_answer(caller_for_system(other), draft=draft)


def test_wordings_on_one_line_each_and_once(writer: APIClient) -> None:
    made = create(writer, questions=["Main  \n one?", "b", "main one", "B?", "c"])
    assert made["questions"] == ["Main one?", "b", "c"]


def test_sources_must_be_published_and_no_more_secret_than_the_answer(
    workspace: Workspace, client_for: ClientFor, publish: Publish
) -> None:
    writer = client_for(workspace, *WRITER, Scope.INTERNAL)
    draft = publish(title="Draft", body="x", published=False, embedded=False)
    secret = publish(title="Secret", body="x", audience="internal")
    for article in (draft, secret):
        refused = writer.post(URL, {**GIVEN, "sources": [article.pk]})
        assert (refused.status_code, list(refused.json()["errors"])) == (400, ["sources"])
    create(writer, sources=[secret.pk], audience="internal")


def test_internal_answers_and_other_tenants_do_not_exist_for_outsiders(
    writer: APIClient, workspace: Workspace
) -> None:
    hidden = curate(workspace, "secret?", audience="internal")
    foreign = curate(make_workspace(), "foreign?")
    assert writer.get(URL).json()["results"] == []
    for answer in (hidden, foreign):
        url = f"{URL}{answer.pk}/"
        assert writer.get(url).status_code == 404
        assert writer.patch(url, {"text": "x"}).status_code == 404
        assert writer.delete(url).status_code == 404
    assert CuratedAnswer.objects.count() == 2


def test_foreign_places_do_not_exist(writer: APIClient, publish: Publish) -> None:
    other = make_workspace()
    article = publish(into=other, title="Refunds", body="Five days.")
    Collection.objects.create(workspace=other, name="Money", slug="money")
    assert writer.post(URL, {**GIVEN, "sources": [article.pk]}).status_code == 404
    assert writer.post(URL, {**GIVEN, "collection": "money"}).status_code == 404


@pytest.mark.parametrize("scope", [Scope.ARTICLES_READ, Scope.ARTICLES_WRITE, Scope.CHAT])
def test_writing_needs_the_right_to_publish(
    workspace: Workspace, client_for: ClientFor, scope: str
) -> None:
    answer = curate(workspace)
    api, url = client_for(workspace, scope), f"{URL}{answer.pk}/"
    assert api.post(URL, GIVEN).status_code == 403
    assert api.patch(url, {"text": "x"}).status_code == 403
    assert api.delete(url).status_code == 403
    assert api.get(URL).status_code == (403 if scope == Scope.CHAT else 200)
    assert APIClient().get(URL).status_code == 401


def test_list_narrows_and_costs_the_same_at_one_and_at_ten(
    writer: APIClient, workspace: Workspace, publish: Publish
) -> None:
    article = publish(title="Refunds", body="Five days.")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            writer.get(URL)
        return len(captured)

    curate(workspace, "one", "uno", sources=(article,))
    queries()  # the key's first use is written down
    one = queries()
    for number in range(9):
        curate(workspace, f"question {number}", f"variant {number}", sources=(article,))
    assert queries() == one
    curate(workspace, "deutsch", language="de", enabled=False)
    assert len(writer.get(URL, {"language": "de"}).json()["results"]) == 1
    assert len(writer.get(URL, {"enabled": "true"}).json()["results"]) == 10


def test_wordings_that_stay_keep_their_vectors(workspace: Workspace) -> None:
    answer = curate(workspace, "a", "b")
    kept = CuratedQuestion.objects.get(text="b")
    draft = CuratedDraft(text="x", questions=("b", "c"), language="en")
    save_curated_answer(caller_for_system(workspace), draft=draft, answer=answer)
    assert [q.text for q in answer.questions.all()] == ["b", "c"]
    assert CuratedQuestion.objects.get(text="b").pk == kept.pk
    assert [q.text for q in lacking_questions(live(workspace))] == ["c"]


def test_a_role_without_the_right_writes_nothing(workspace: Workspace) -> None:
    caller = replace(caller_for_system(workspace), permissions=frozenset())
    with pytest.raises(Forbidden):
        save_curated_answer(caller, draft=CuratedDraft(text="x", questions=("a",), language="en"))


class TestVectors:
    """The rows say what is left."""

    def test_saving_tells_a_worker_which_embeds(
        self,
        workspace: Workspace,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        told: list[int] = []
        monkeypatch.setattr("chat.services.curated.nudge_curated", told.append)
        with django_capture_on_commit_callbacks(execute=True):
            curate(workspace, "a", "b", embedded=False)
        assert told == [workspace.pk]
        assert tasks.embed_curated(workspace.pk) == 2
        assert tasks.embed_curated(workspace.pk) == 0

    def test_each_active_version_gets_vectors_of_its_own(self, workspace: Workspace) -> None:
        curate(workspace, "a")
        wide = create_index_version(workspace, encoder="hash-wide")
        assert lacking_questions(wide).count() == 1
        assert tasks.embed_curated(workspace.pk) == 1
        sizes = {len(vector.embedding or ()) for vector in CuratedVector.objects.all()}
        assert sizes == {64, 128}

    def test_sweep_finds_what_was_missed_and_drops_what_is_of_no_use(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[int] = []
        monkeypatch.setattr(tasks, "nudge_curated", told.append)
        curate(workspace, "a", embedded=False)
        curate(make_workspace(), "done")
        assert tasks.sweep_curated() == 1
        assert told == [workspace.pk]
        tasks.embed_curated(workspace.pk)
        CuratedVector.objects.filter(question__workspace=workspace).update(fingerprint="old")
        tasks.sweep_curated()
        assert CuratedVector.objects.count() == 1

    def test_encoder_away_is_tried_again_later(
        self, workspace: Workspace, settings: Settings
    ) -> None:
        curate(workspace, "a", embedded=False)
        settings.ENCODERS = {"hash": {**HASH_ENCODERS["hash"], "BACKEND": f"{__name__}.Away"}}
        forget_encoders()
        assert tasks.embed_curated(workspace.pk) == 0
        settings.ENCODERS = HASH_ENCODERS
        forget_encoders()
        assert tasks.embed_curated(workspace.pk) == 1

    def test_text_that_an_encoder_refuses_stops_no_other(
        self, workspace: Workspace, settings: Settings, client_for: ClientFor
    ) -> None:
        settings.ENCODERS = {"hash": {**HASH_ENCODERS["hash"], "BACKEND": f"{__name__}.Picky"}}
        forget_encoders()
        answer = curate(workspace, "good", "bad", "fine")
        refused = CuratedVector.objects.get(embedding__isnull=True)
        assert (refused.question.text, refused.reason) == ("bad", "No.")
        assert not lacking_questions(live(workspace)).exists()
        read = client_for(workspace, Scope.ARTICLES_READ).get(f"{URL}{answer.pk}/").json()
        assert read["embedded"] is False

    def test_work_out_of_time_goes_on_with_another_message(
        self, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[int] = []
        monkeypatch.setattr(tasks, "nudge_curated", told.append)
        settings.EMBED_TASK_SECONDS = 0
        curate(workspace, "a", embedded=False)
        assert tasks.embed_curated(workspace.pk) == 0
        assert told == [workspace.pk]

    def test_question_deleted_while_it_is_encoded_leaves_nothing(
        self, workspace: Workspace, settings: Settings
    ) -> None:
        settings.ENCODERS = {"hash": {**HASH_ENCODERS["hash"], "BACKEND": f"{__name__}.Deleting"}}
        forget_encoders()
        curate(workspace, "a", embedded=False)
        assert tasks.embed_curated(workspace.pk) == 1
        assert not CuratedVector.objects.exists()


class Away(HashEncoder):
    """Cannot be reached."""

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:  # noqa: ARG002 - the seam's shape
        """Fails."""
        raise EncoderUnavailable("Away.")


class Picky(HashEncoder):
    """Refuses one word."""

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """Final."""
        if "bad" in texts:
            raise TextNotEmbeddable("No.")
        return super().encode(texts, task)


class Deleting(HashEncoder):
    """Somebody deletes everything while it works."""

    def encode(self, texts: Sequence[str], task: Task) -> Matrix:
        """As always."""
        CuratedAnswer.objects.all().delete()
        return super().encode(texts, task)


def test_an_answer_whose_source_was_deleted_stays_withdrawn_until_it_gets_others(
    writer: APIClient, publish: Publish
) -> None:
    article = publish(title="Refunds", body="Five days.")
    made = create(writer, sources=[article.pk])
    delete_article(article)
    place = f"/api/v1/curated-answers/{made['id']}/"
    changed = writer.patch(place, {"collection": None}, format="json")
    assert (changed.status_code, changed.json()["state"]) == (200, "withdrawn")
    other = publish(title="Refunds anew", body="Six days.")
    changed = writer.patch(place, {"sources": [other.pk]}, format="json")
    assert changed.json()["state"] == "answering"


def test_a_withdrawn_answer_can_still_be_switched_off(writer: APIClient, publish: Publish) -> None:
    article = publish(title="Refunds", body="Five days.")
    made = create(writer, sources=[article.pk])
    unpublish_article(article)
    place = f"/api/v1/curated-answers/{made['id']}/"
    changed = writer.patch(place, {"enabled": False}, format="json")
    assert (changed.status_code, changed.json()["state"]) == (200, "disabled")


def test_the_title_of_a_source_that_became_internal_is_not_told(
    writer: APIClient, publish: Publish
) -> None:
    article = publish(title="Refunds", body="Five days.")
    made = create(writer, sources=[article.pk])
    add_revision(article, title="Secret merger", body="We merge.", audience="internal")
    place = f"/api/v1/curated-answers/{made['id']}/"
    assert writer.get(place).json()["state"] == "withdrawn"
    for changed in (
        writer.patch(place, {"text": "Another."}, format="json"),
        writer.post(
            "/api/v1/curated-answers/",
            {"text": "T.", "questions": ["why"], "sources": [article.pk]},
            format="json",
        ),
    ):
        assert "Secret" not in changed.content.decode()
