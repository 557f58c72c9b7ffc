"""Curated answers in the admin: the form, its warnings, switches, import and export."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.models import CuratedAnswer, QuestionSet, RetrievalProfile
from kb.models import Article, Workspace
from kb.services import unpublish_article
from tests.admin.conftest import SignIn
from tests.chat.test_curated import curate
from tests.factories import make_article

LIST = "admin:chat_curatedanswer_changelist"
FORM = {
    "question": "How long does a refund take?",
    "variants": "refund time\n\nwhen is my money back",
    "text": "**Five** days.",
    "language": "en",
    "audience": "public",
    "enabled": "on",
}


@pytest.fixture
def reviewer(workspace: Workspace, sign_in: SignIn) -> Client:
    """Somebody who approves answers."""
    return sign_in(workspace, "reviewer")


def page(name: str, *args: object) -> str:
    return reverse(f"admin:chat_curatedanswer_{name}", args=args)


def write(client: Client, workspace: Workspace, **given: Any) -> Any:
    return client.post(page("add"), {**FORM, "workspace": workspace.pk, **given})


def test_answer_is_written_changed_and_deleted(reviewer: Client, workspace: Workspace) -> None:
    article = make_article(workspace)
    named = make_article(workspace, title="Named", external_id="faq/1")
    lines = f"#{article.pk} whatever it is called\nfaq/1\n#{article.pk}\n"
    assert write(reviewer, workspace, sources=lines).status_code == 302
    answer = CuratedAnswer.objects.get()
    assert [each.text for each in answer.questions.all()] == [
        "How long does a refund take?", "refund time", "when is my money back",
    ]  # fmt: skip
    assert answer.text == "**Five** days."
    assert answer.author is not None
    assert [each.article_id for each in answer.sources.all()] == [article.pk, named.pk]
    shown = reviewer.get(page("change", answer.pk)).content.decode()
    assert f"#{named.pk} Named</textarea>" in shown
    assert "not yet, a worker embeds it" in shown
    assert (
        reviewer.post(page("change", answer.pk), {**FORM, "variants": "other"}).status_code == 302
    )
    assert [each.text for each in answer.questions.all()] == [FORM["question"], "other"]
    assert not answer.sources.exists()
    reviewer.post(page("delete", answer.pk), {"post": "yes"})
    assert not CuratedAnswer.objects.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"question": "REFUND time"}, "has the question"),
        ({"text": " "}, "The answer is empty"),
        ({"text": "x" * 20_001}, "20,000 fit"),
        ({"variants": "x" * 1001}, "1,000 characters"),
        ({"sources": "#999999999"}, "There is no article 999999999"),
        ({"sources": "no-such"}, "There is no article no-such"),
    ],
)
def test_form_says_what_is_wrong_and_keeps_what_was_typed(
    reviewer: Client, workspace: Workspace, given: dict[str, str], said: str
) -> None:
    curate(workspace, "refund time")
    response = write(reviewer, workspace, **{"variants": "typed <b>", **given})
    assert response.status_code == 200
    assert said in response.content.decode()
    assert CuratedAnswer.objects.count() == 1


def test_sources_of_another_workspace_are_no_choice(
    reviewer: Client, workspace: Workspace, foreign: Workspace
) -> None:
    article = make_article(foreign)
    assert write(reviewer, workspace, sources=f"#{article.pk}").status_code == 200
    assert write(reviewer, foreign).status_code == 200
    assert not CuratedAnswer.objects.exists()


@pytest.mark.parametrize("role", ["editor", "operator", "analyst"])
def test_other_roles_read_only(workspace: Workspace, sign_in: SignIn, role: str) -> None:
    answer = curate(workspace, "Main?", "Variant?")
    client = sign_in(workspace, role)
    shown = client.get(page("change", answer.pk)).content.decode()
    assert "Variant?" in shown
    assert "<textarea" not in shown
    assert client.post(page("change", answer.pk), FORM).status_code == 403
    assert client.get(page("add")).status_code == 403
    assert client.get(page("import")).status_code == 403
    client.post(reverse(LIST), {"action": "disable", "_selected_action": [answer.pk]})
    answer.refresh_from_db()
    assert answer.enabled


def test_switches_change_ours_only(
    reviewer: Client, workspace: Workspace, foreign: Workspace
) -> None:
    ours, theirs = curate(workspace), curate(foreign)
    chosen = [ours.pk, theirs.pk]
    reviewer.post(reverse(LIST), {"action": "disable", "_selected_action": chosen})
    ours.refresh_from_db()
    theirs.refresh_from_db()
    assert (ours.enabled, theirs.enabled) == (False, True)
    reviewer.post(reverse(LIST), {"action": "enable", "_selected_action": chosen})
    ours.refresh_from_db()
    assert ours.enabled


def test_list_and_page_say_how_an_answer_stands(reviewer: Client, workspace: Workspace) -> None:
    article = make_article(workspace, title="Refund policy")
    answer = curate(workspace, sources=(article,))
    assert b"Answering" in reviewer.get(reverse(LIST)).content
    unpublish_article(article)
    assert b"Withdrawn" in reviewer.get(reverse(LIST)).content
    shown = reviewer.get(page("change", answer.pk)).content.decode()
    assert "An article that it stands on is not published" in shown
    Article.objects.all().delete()
    assert "an article that was deleted" in reviewer.get(page("change", answer.pk)).content.decode()


def test_list_costs_the_same_at_one_and_ten(reviewer: Client, workspace: Workspace) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            reviewer.get(reverse(LIST))
        return len(captured)

    curate(workspace, "one", "uno")
    queries()
    one = queries()
    for number in range(9):
        curate(workspace, f"question {number}", f"variant {number}")
    assert queries() == one


def near(client: Client, workspace: Workspace, question: str, answer: object = "") -> Any:
    given = {"workspace": workspace.pk, "question": question, "answer": answer}
    return client.post(page("near"), given)


def test_near_duplicates_are_shown_before_they_are_saved(
    reviewer: Client, workspace: Workspace, foreign: Workspace
) -> None:
    answer = curate(workspace, "how long may a refund to my card take")
    curate(foreign, "how long may a refund to my card take now")
    html = near(reviewer, workspace, "how long may a refund to the card take").json()["html"]
    assert page("change", answer.pk) in html
    assert "take now" not in html
    same = near(reviewer, workspace, "How long may a refund to my card take?").json()["html"]
    assert "The same question" in same
    for question, besides in (("zebra", ""), ("how long may a refund to my card take", answer.pk)):
        assert "No other answer" in near(reviewer, workspace, question, besides).json()["html"]
    assert "cannot be compared" in near(reviewer, workspace, " ").json()["html"]


def test_near_duplicates_are_for_who_may_write(
    reviewer: Client, workspace: Workspace, foreign: Workspace, sign_in: SignIn
) -> None:
    assert near(reviewer, foreign, "x").status_code == 404
    assert near(sign_in(workspace, "editor"), workspace, "x").status_code == 404
    assert reviewer.get(page("near")).status_code == 405


def upload(client: Client, workspace: Workspace, text: str | bytes) -> Any:
    data = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("answers.csv", data, content_type="text/csv")
    return client.post(page("import"), {"workspace": workspace.pk, "file": file})


def test_export_and_import_are_each_others_inverse(reviewer: Client, workspace: Workspace) -> None:
    article = make_article(workspace, external_id="refunds")
    bare = make_article(workspace)
    curate(workspace, "=1+1?", "b, “c”", sources=(article, bare), text='Line\n\n"two"')
    curate(workspace, "'quoted", language="de", enabled=False, audience="internal")
    exported = reviewer.get(page("export", workspace.slug)).content.decode()
    assert "\n'=1+1?," in exported.replace("\r", "")
    before = [_facts(answer) for answer in CuratedAnswer.objects.order_by("pk")]
    assert upload(reviewer, workspace, exported).status_code == 302
    assert [_facts(answer) for answer in CuratedAnswer.objects.order_by("pk")] == before
    CuratedAnswer.objects.all().delete()
    assert upload(reviewer, workspace, exported).status_code == 302
    assert [_facts(answer) for answer in CuratedAnswer.objects.order_by("pk")] == before


def _facts(answer: CuratedAnswer) -> tuple[object, ...]:
    return (
        [each.text for each in answer.questions.all()], answer.text, answer.language,
        answer.audience, answer.enabled, [each.article_id for each in answer.sources.all()],
    )  # fmt: skip


def test_columns_that_a_file_lacks_stay_as_they_are(reviewer: Client, workspace: Workspace) -> None:
    answer = curate(workspace, "Main?", "Variant?", language="de")
    upload(reviewer, workspace, "question;answer\nmain;New text.\n")
    answer.refresh_from_db()
    assert (answer.text, answer.language, answer.questions.count()) == ("New text.", "de", 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("question,answer\nWhy?,\nWhat?,Yes.\n", "line 2: The answer is empty."),
        ("question,answer\nWhy?,Yes.\nwhy,No.\n\n  ,x\n", "line 5: "),
        ("question,answer,language\na,b,en\nc,d,xx\n", "line 3: Unknown language"),
        ("question,answer,enabled\na,b,perhaps\n", "line 2: enabled must be yes or no"),
        ("question,answer,valid_until\na,b,soon\n", "line 2: valid_until must be a time"),
        (
            "question,answer,valid_until\na,b,0001-01-01T00:00+14:00\n",
            "line 2: valid_until must be a time",
        ),
        ("question,answer,sources\na,b,nothing\n", "line 2: There is no article nothing"),
        ("question,answer,collection\na,b,none\n", "line 2: There is no collection"),
        ("question,answer\na\n", "line 2: 1 columns, the header has 2."),
        ('question,answer\n"a,b\n', "line 2: broken CSV"),
        ("frage,antwort\na,b\n", "line 1: the header must name question, answer"),
        ("question,answer,answer\na,b,c\n", "line 1: the header"),
        (b"question,answer\n\xff,b\n", "line 2: byte 16"),
        (b"x" * 4_000_001, "at most 4,000,000 are read"),
    ],
)
def test_faulty_file_stores_nothing_and_names_the_line(
    reviewer: Client, workspace: Workspace, text: str | bytes, said: str
) -> None:
    response = upload(reviewer, workspace, text)
    assert response.status_code == 200
    assert said in response.content.decode().replace("&#x27;", "'")
    assert not CuratedAnswer.objects.exists()


def test_file_of_too_many_answers_is_refused(
    reviewer: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.services.curated_csv.MAX_ROWS", 2)
    said = upload(reviewer, workspace, "question,answer\na,1\nb,2\nc,3\n").content.decode()
    assert "line 4: a file may have 2 answers" in said
    assert not CuratedAnswer.objects.exists()


def test_import_into_a_foreign_workspace_is_no_choice(reviewer: Client, foreign: Workspace) -> None:
    assert upload(reviewer, foreign, "question,answer\na,b\n").status_code == 200
    assert reviewer.get(page("export", foreign.slug)).status_code == 404
    assert not CuratedAnswer.objects.exists()


def test_question_set_is_made_of_answers_that_stand_on_an_article(
    reviewer: Client, workspace: Workspace
) -> None:
    article = make_article(workspace)
    stands, floats = curate(workspace, "a", "b", sources=(article,)), curate(workspace, "c")
    action = {"action": "make_question_set", "_selected_action": [stands.pk, floats.pk]}
    said = reviewer.post(reverse(LIST), action, follow=True).content.decode()
    assert "has 2 questions; 1 answers stand on no article" in said
    made = QuestionSet.objects.get(workspace=workspace)
    questions = made.questions.all()
    assert [(each.text, each.origin) for each in questions] == [("a", "curated"), ("b", "curated")]
    assert {each.expected.get().article_id for each in questions} == {article.pk}
    floating = {"action": "make_question_set", "_selected_action": [floats.pk]}
    said = reviewer.post(reverse(LIST), floating, follow=True).content.decode()
    assert "nothing to expect" in said
    assert QuestionSet.objects.count() == 1


class TestProfiles:
    """Retrieval profiles: saved by operators, checked when saved."""

    def test_operator_saves_what_can_be_used(self, workspace: Workspace, sign_in: SignIn) -> None:
        operator = sign_in(workspace, "operator")
        add = reverse("admin:chat_retrievalprofile_add")
        form = {"workspace": workspace.pk, "name": "mine", "is_default": "on"}
        for settings, said in (
            ('{"reranker": "none-such"}', "No reranker is called"),
            ('{"curated_above": 2}', "curated_above must be"),
            ("[]", "JSON object"),
        ):
            refused = operator.post(add, {**form, "settings": settings}).content.decode()
            assert said in refused
        operator.post(add, {**form, "settings": '{"curated_above": 0.9}'})
        profile = RetrievalProfile.objects.get()
        assert (profile.settings, profile.is_default) == ({"curated_above": 0.9}, True)
        change = reverse("admin:chat_retrievalprofile_change", args=[profile.pk])
        operator.post(change, {"is_default": "on", "settings": '{"articles": 4}'})
        profile.refresh_from_db()
        assert (profile.name, profile.settings) == ("mine", {"articles": 4})

    def test_editor_reads_only(self, workspace: Workspace, sign_in: SignIn) -> None:
        profile = RetrievalProfile.objects.create(workspace=workspace, name="mine")
        change = reverse("admin:chat_retrievalprofile_change", args=[profile.pk])
        editor = sign_in(workspace, "editor")
        assert editor.get(change).status_code == 200
        assert editor.post(change, {"settings": '{"articles": 4}'}).status_code == 403
