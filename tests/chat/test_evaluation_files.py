"""Files of labelled questions: read strictly, each fault with its line, all or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.evaluation.files import MAX_FILE_BYTES, read_questions
from chat.models import ExpectedAnswer, LabelledQuestion, QuestionOrigin, QuestionSet
from chat.services.question_imports import import_questions
from chat.services.question_sets import create_question_set
from kb.errors import ImportRefused, InvalidInput, TooLarge
from kb.models import Article, Workspace
from tests.chat.conftest import Publish
from tests.factories import make_article, make_workspace

pytestmark = pytest.mark.django_db

BODY = "Refunds take five days.\nWe open at nine 😀 and close at six."


@pytest.fixture
def article(publish: Publish) -> Article:
    return publish(title="Refunds", body=BODY, external_id="refunds", embedded=False)


@pytest.fixture
def question_set(workspace: Workspace, article: Article) -> QuestionSet:  # noqa: ARG001 - to point at
    return create_question_set(workspace, name="Support")


def jsonl(*objects: object) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def line(key: str, **metadata: Any) -> dict[str, Any]:
    return {"_id": key, "text": f"question {key}", "metadata": metadata}


def refused(question_set: QuestionSet, name: str, data: bytes) -> list[str]:
    with pytest.raises(ImportRefused) as error:
        import_questions(question_set, name=name, data=data)
    assert not LabelledQuestion.objects.exists()
    return error.value.problems


def test_jsonl_as_datasets_have_it(question_set: QuestionSet, article: Article) -> None:
    other = make_article(question_set.workspace, body="Closed on Sundays.", external_id="hours")
    start = BODY.index("We open")
    history = [{"role": "visitor", "text": "hello"}, {"role": "assistant", "text": "hi"}]
    also = [{"article": "hours", "quote": "Closed on Sundays."}]
    data = jsonl(
        line(
            "a", article="refunds", answer="We open at nine", start=start, end=start + 15, also=also
        ),
        line("b", answerable=False, kind="near_miss", language="en", tags=["x"]),
        line("c", article="refunds", answer="in words of its own", history=history),
    )
    assert import_questions(question_set, name="q.jsonl", data=data) == 3
    a, b, c = LabelledQuestion.objects.all()
    places = list(a.expected.values_list("article", "quote", "start", "end"))
    assert places == [
        (article.pk, "We open at nine", start, start + 15),
        (other.pk, "Closed on Sundays.", 0, 18),
    ]
    assert (b.answerable, b.kind, b.language, b.tags) == (False, "near_miss", "en", ["x"])
    assert (c.history, c.origin) == (history, QuestionOrigin.IMPORTED)
    assert c.expected.get().quote == ""


def test_csv_from_a_spreadsheet(question_set: QuestionSet, article: Article) -> None:
    data = (
        "Key;Question;Answerable;Article;Quote;Tags;History\r\n"
        f'a;"how long; really?";yes;refunds;"five\n days";money, time;\r\n'
        f"a;;;{article.pk};We open at nine;;\r\n"
        ';and on Mars?;no;;;;"user: hello\nagent: hi"\r\n'
    ).encode("utf-8-sig")
    assert import_questions(question_set, name="q.CSV", data=data) == 2
    a, b = LabelledQuestion.objects.all()
    assert (a.key, a.text, a.tags) == ("a", "how long; really?", ["money", "time"])
    assert [each.quote for each in a.expected.all()] == ["five days", "We open at nine"]
    assert b.key.startswith("q-")
    assert b.history[1] == {"role": "assistant", "text": "hi"}
    assert not b.answerable


def test_the_same_keys_again_replace(question_set: QuestionSet) -> None:
    import_questions(question_set, name="q.jsonl", data=jsonl(line("a", article="refunds")))
    again = jsonl({**line("a", answerable=False), "text": "changed"})
    import_questions(question_set, name="q.jsonl", data=again)
    assert LabelledQuestion.objects.get().text == "changed"
    assert not ExpectedAnswer.objects.exists()


@pytest.mark.parametrize(
    ("faulty", "told"),
    [
        (line("x"), "line 2: An answerable question needs an article"),
        (line("x", answerable=False, article="refunds"), "unanswerable question cannot have one"),
        (line("x", article="nope"), "no article 'nope'"),
        (
            line("x", article="refunds", quote="not in there"),
            "hold the words 'not in there'",
        ),
        (line("x", article="refunds", start=3), "start and end go together"),
        (line("x", article="refunds", start=9, end=3), "end comes after start"),
        (line("x", article="refunds", start=-1, end=3), "start must be a whole number"),
        (line("x", article="refunds", relevance=0), "relevance must be"),
        (line("x", article=5), "article must be text"),
        (line("x", article="refunds", also="y"), "metadata.also"),
        (line("x", article="refunds", answerable="yes"), "metadata.answerable"),
        (line("x", article="refunds", language="xx"), "Unknown language"),
        (line("x", article="refunds", tags="y"), "metadata.tags"),
        (line("x", article="refunds", history=[{"role": "cat", "text": "m"}]), "metadata.history"),
        ({"_id": "x", "metadata": {"article": "refunds"}}, "The question is empty"),
        ({"_id": "x", "text": "t", "metadata": []}, "needs an article"),
        ({"_id": "x", "text": ["t"]}, "text must be text"),
        (line("good", article="refunds"), "'good' is there already"),
        (["x"], "a JSON object is expected"),
    ],
)
def test_faulty_lines_are_named_and_nothing_is_stored(
    question_set: QuestionSet, faulty: object, told: str
) -> None:
    [problem] = refused(question_set, "q.jsonl", jsonl(line("good", article="refunds"), faulty))
    assert problem.startswith("q.jsonl, line 2")
    assert told in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("question,colour\nq,red\n", "line 1: the header"),
        ("key,article\na,b\n", "line 1: the header"),
        ("question,question\na,b\n", "line 1: the header"),
        ("question,article\na\n", "line 2: has 1 columns"),
        ("question,article,answerable\na,refunds,perhaps\n", "line 2: answerable"),
        ("question,article,start,end\na,refunds,x,4\n", "line 2: start must be"),
        ("key,question,article\nk,a,refunds\nk,b,refunds\n", "line 3: key 'k' has another"),
        ("question,article,history\na,refunds,hello\n", "line 2: A conversation begins"),
        ('question,article\n"a"b,c\n', "line 2: broken CSV"),
        ("question,article\n", "holds no question"),
        ("question,article\na,refunds\na,refunds\n", "is there twice"),
    ],
)
def test_faulty_tables_are_refused(question_set: QuestionSet, text: str, told: str) -> None:
    assert told in refused(question_set, "q.csv", text.encode())[0]


def test_faulty_files_are_refused_before_anything_is_read(question_set: QuestionSet) -> None:
    with pytest.raises(InvalidInput, match=r"\.jsonl or \.csv"):
        import_questions(question_set, name="q.xlsx", data=b"PK")
    with pytest.raises(TooLarge):
        read_questions("q.csv", b"x" * (MAX_FILE_BYTES + 1))
    with pytest.raises(InvalidInput, match="line 2: byte"):
        import_questions(question_set, name="q.csv", data=b"question\n\xff\n")
    assert "line 1: is no JSON" in refused(question_set, "q.jsonl", b"{broken\n")[0]
    assert "line 1: is no JSON" in refused(question_set, "q.jsonl", b"[" * 100_000)[0]


def test_articles_of_another_workspace_do_not_exist(question_set: QuestionSet) -> None:
    foreign = make_article(make_workspace(), external_id="theirs")
    for name in ("theirs", str(foreign.pk)):
        data = jsonl(line("x", article=name))
        assert "no article" in refused(question_set, "q.jsonl", data)[0]
