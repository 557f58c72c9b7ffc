"""What each format becomes, and how each complains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kb.importing import ImportItem, Problem, read_items
from kb.importing.items import Reading
from tests.kb.documents import docx, pdf


def read(folder: Path, name: str, data: str | bytes) -> list[Reading]:
    """What a single file of this content holds."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read_items(path))


def one(readings: list[Reading]) -> ImportItem:
    """The only item."""
    (item,) = readings
    assert isinstance(item, ImportItem), item
    return item


def problem(readings: list[Reading]) -> str:
    """The only problem, with its place."""
    (found,) = readings
    assert isinstance(found, Problem), found
    return str(found)


def test_markdown_with_front_matter(tmp_path: Path) -> None:
    item = one(
        read(
            tmp_path,
            "a.md",
            "---\nexternal_id: 7\ntitle: 'Norway: a title'\nlanguage: no\naudience: internal\n"
            "collection: Billing\ntags: [a, b]\nsource: wiki\nauthor: {name: x}\n---\n\nText.\n",
        )
    )
    assert item == ImportItem(
        origin="a.md",
        external_id="7",
        title="Norway: a title",
        body="\nText.\n",
        language="no",
        audience="internal",
        collection="Billing",
        tags=("a", "b"),
        source="wiki",
    )


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Intro.\n\n# The *title* #\n", "The *title*"),
        ("Underlined\n=====\n\nText.", "Underlined"),
        ("Text without any heading.", "a file name"),
        ("---\n\nA rule, not front matter.\n", "a file name"),
        ("---\njust words\n---\n# Kept\n", "Kept"),
        ("\ufeff---\r\ntitle: Windows\r\n---\r\nText.", "Windows"),
    ],
)
def test_title_and_id_of_markdown_fall_back(tmp_path: Path, text: str, title: str) -> None:
    item = one(read(tmp_path, "a-file_name.md", text))
    assert (item.title, item.external_id) == (title, "a-file_name")
    assert (item.language, item.audience, item.tags) == (None, None, None)


def test_rule_at_the_top_loses_no_text(tmp_path: Path) -> None:
    text = "---\njust words\n---\nMore.\n"
    assert one(read(tmp_path, "a.md", text)).body == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("---\ntitle: a\n  b: [c\n---\nText.", "a.md: line 3: the front matter is broken"),
        ("---\ntitle: [a, b]\n---\nText.", "a.md: title must be text, not list"),
        ("---\ntags: {a: b}\n---\nText.", "a.md: tags must be a list of texts"),
    ],
)
def test_broken_front_matter_names_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    assert problem(read(tmp_path, "a.md", text)).startswith(complaint)


@pytest.mark.parametrize("name", ["a.md", "a.html", "a.csv", "a.jsonl"])
def test_what_is_not_utf8_names_line_and_byte(tmp_path: Path, name: str) -> None:
    found = problem(read(tmp_path, name, b"\nM\xfcller"))
    assert found.startswith(f"{name}")
    assert "line 2" in found
    assert "(0xfc) is not UTF-8" in found


def test_html_is_made_harmless_before_it_becomes_markdown(tmp_path: Path) -> None:
    item = one(
        read(
            tmp_path,
            "page.html",
            "<html><head><title>A  page</title><style>p {}</style></head><body><nav>Menu</nav>"
            "<main><h1>Hello</h1><p onclick='x()'>Some <b>bold</b> <a href='javascript:alert(1)'>"
            "link</a>, <a href='https://a.example/'>fine</a>.</p><script>alert(2)</script>"
            "<table><tr><th>K</th></tr><tr><td>V</td></tr></table></main></body></html>",
        )
    )
    assert item.title == "A page"
    assert "# Hello" in item.body
    assert "Some **bold** link, [fine](https://a.example/)." in item.body
    assert "| K |" in item.body
    assert not any(word in item.body for word in ("alert", "onclick", "Menu", "javascript"))


def test_deeply_nested_html_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    readings = read(tmp_path, "deep.html", "<div>" * 5_000 + "text")
    assert len(readings) == 1


def test_csv_with_all_columns_and_line_breaks_inside(tmp_path: Path) -> None:
    readings = read(
        tmp_path,
        "a.csv",
        'Title,Body,external_id,tags,language\r\n"One, two","First\nsecond",x,"a, b",de\r\n'
        "Three,Text,,,\r\n",
    )
    first, second = readings
    assert isinstance(first, ImportItem)
    assert isinstance(second, ImportItem)
    assert (first.external_id, first.title, first.body) == ("x", "One, two", "First\nsecond")
    assert (first.tags, first.language) == (("a", "b"), "de")
    assert (second.origin, second.external_id) == ("a.csv line 4", "a#three")


def test_csv_from_a_spreadsheet_with_semicolons(tmp_path: Path) -> None:
    assert one(read(tmp_path, "a.csv", "title;body\nT;a, b\n")).body == "a, b"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a.csv: line 1: the header has no column title and no body"),
        ("title,text\na,b\n", "a.csv: line 1: the header has no column body"),
        ("title,body,title\na,b,c\n", "a.csv: line 1: the header names a column twice"),
        ("title,body\na,b,c\n", "a.csv line 2: has 3 columns, the header has 2"),
        ('title,body\na,"b', "a.csv line 2: broken CSV"),
    ],
)
def test_broken_csv_names_the_line(tmp_path: Path, text: str, complaint: str) -> None:
    assert problem(read(tmp_path, "a.csv", text)).startswith(complaint)


def test_jsonl_of_ours_and_of_beir(tmp_path: Path) -> None:
    lines = [
        {"external_id": "a", "title": "A", "body": "Text\u2028more.", "tags": ["x"]},
        {"_id": 12, "title": "", "text": "\n# First line\nSecond.", "metadata": {}},
        {"title": "No id", "text": "Text."},
    ]
    text = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    items = [item for item in read(tmp_path, "c.jsonl", text) if isinstance(item, ImportItem)]
    assert [(item.external_id, item.title) for item in items] == [
        ("a", "A"),
        ("12", "First line"),
        ("c#no-id", "No id"),
    ]
    assert [item.origin for item in items] == ["c.jsonl line 1", "c.jsonl line 3", "c.jsonl line 5"]
    assert items[0].tags == ("x",)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"title": "T", ', "broken JSON at column"),
        ("[1]", "a JSON object is expected"),
        ('{"title": "T", "text": 1.5}', "text must be text, not float"),
        ("[" * 100_000, "broken JSON"),
        ('{"_id": ' + "9" * 5000 + "}", "broken JSON"),
    ],
)
def test_broken_line_of_jsonl_is_named_and_the_others_are_read(
    tmp_path: Path, line: str, complaint: str
) -> None:
    good = '{"_id": "a", "title": "T", "text": "Text."}'
    first, second, third = read(tmp_path, "a.jsonl", f"{good}\n{line}\n{good}\n")
    assert isinstance(first, ImportItem)
    assert isinstance(third, ImportItem)
    assert str(second).startswith(f"a.jsonl line 2: {complaint}")


def test_long_first_line_becomes_a_shortened_title(tmp_path: Path) -> None:
    item = one(read(tmp_path, "a.jsonl", json.dumps({"_id": "a", "text": "word " * 100})))
    assert len(item.title) == 200
    assert item.title.endswith("…")


def test_pdf(tmp_path: Path) -> None:
    item = one(read(tmp_path, "manual.pdf", pdf("The first line", "The second", title="Manual")))
    assert item.title == "Manual"
    assert item.body.splitlines() == ["The first line", "The second"]
    assert one(read(tmp_path, "b.pdf", pdf("Only a line"))).title == "Only a line"


def test_docx(tmp_path: Path) -> None:
    item = one(read(tmp_path, "a.docx", docx("The heading", "Some text.", "More.")))
    assert item.title == "The heading"
    assert item.body == "# The heading\n\nSome text.\n\nMore."


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("a.pdf", b"no pdf at all", "the PDF cannot be read"),
        ("a.pdf", pdf(), "the PDF has no text"),
        ("a.docx", b"no zip at all", "a.docx is damaged"),
        ("a.docx", docx("x")[:-40], "a.docx is damaged"),
    ],
)
def test_damaged_documents_are_problems(
    tmp_path: Path, name: str, data: bytes, complaint: str
) -> None:
    assert complaint in problem(read(tmp_path, name, data))
