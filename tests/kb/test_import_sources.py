"""Folders and zips: what is found in them, and what they cannot do."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from kb.errors import InvalidInput, TooLarge
from kb.importing import Ignored, ImportItem, Problem, archives, files, read_items
from tests.kb.documents import docx, zipped

BEIR_LINE = '{"_id": "a", "title": "T", "text": "Text."}\n'


def ids(path: Path) -> list[str]:
    """External ids of what is found."""
    return [item.external_id for item in read_items(path) if isinstance(item, ImportItem)]


def make_zip(folder: Path, members: dict[str, str | bytes]) -> Path:
    """A zip file of these."""
    path = folder / "a.zip"
    path.write_bytes(zipped(members))
    return path


def test_folder_is_read_in_order_with_relative_paths_as_ids(tmp_path: Path) -> None:
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing" / "refunds.md").write_text("Text.")
    (tmp_path / "a.html").write_text("<p>Text.")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / ".DS_Store").write_bytes(b"\x00")
    assert ids(tmp_path) == ["a", "billing/refunds"]
    assert [r.origin for r in read_items(tmp_path) if isinstance(r, Ignored)] == ["logo.png"]


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (outside / "secret.md").write_text("Secret.")
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "linked").symlink_to(outside)
    (folder / "own.md").write_text("Own.")
    assert ids(folder) == ["own"]


@pytest.mark.parametrize("prefix", ["", "set/"])
def test_of_a_beir_set_only_the_corpus_is_read(tmp_path: Path, prefix: str) -> None:
    members: dict[str, str | bytes] = {
        f"{prefix}corpus.jsonl": BEIR_LINE,
        f"{prefix}queries.jsonl": '{"_id": "q", "text": "Why?"}\n',
        f"{prefix}qrels.tsv": "query-id\tcorpus-id\tscore\n",
    }
    path = make_zip(tmp_path, members)
    readings = list(read_items(path))
    assert ids(path) == ["a"]
    assert sum(isinstance(reading, Ignored) for reading in readings) == 2


def test_zip_is_read_like_a_folder(tmp_path: Path) -> None:
    members: dict[str, str | bytes] = {
        "docs/a.md": "A.",
        "docs/b.docx": docx("B", "Text."),
        "__MACOSX/docs/._a.md": b"\x00",
        "broken.md": b"\xff",
    }
    path = make_zip(tmp_path, members)
    assert ids(path) == ["docs/a", "docs/b"]
    (found,) = [r for r in read_items(path) if isinstance(r, Problem)]
    assert str(found).startswith("broken.md: line 1: byte 0 (0xff)")


@pytest.mark.parametrize("name", ["../evil.md", "a/../../evil.md", "/etc/evil.md", "C:\\evil.md"])
def test_zip_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path, {"good.md": "Text.", name: "Evil."})
    with pytest.raises(InvalidInput, match="points outside"):
        list(read_items(path))


def test_zip_with_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InvalidInput, match="points outside"):
        list(read_items(path))


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = make_zip(tmp_path, {"bomb.md": b"a" * 20_000_000})
    assert path.stat().st_size < 50_000
    with pytest.raises(TooLarge, match=r"'bomb.md', which unpacks to 20,000,000"):
        list(read_items(path))


def test_zip_that_lies_about_its_size_yields_no_more_than_it_says(tmp_path: Path) -> None:
    path = make_zip(tmp_path, {"a.md": b"a" * 5_000})
    data = path.read_bytes()
    path.write_bytes(data.replace((5_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    (found,) = read_items(path)
    assert isinstance(found, Problem)
    assert "cannot be unpacked" in found.message


def test_limits_of_zips_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path, {"a.md": "Text.", "b.md": "Text."})
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 8)
    with pytest.raises(TooLarge, match="unpacks to 10 bytes; at most 8"):
        list(read_items(path))
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    with pytest.raises(TooLarge, match="2 files; at most 1"):
        list(read_items(path))
    (tmp_path / "c.md").write_text("Text.")
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 4)
    (found,) = read_items(tmp_path / "c.md")
    assert "5 bytes; files of up to 4" in str(found)


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("a.zip", b"no zip", "no zip that can be read"),
        ("a.exe", b"MZ", "holds no article; known are: .csv"),
        ("a.jsonl", b"\n\n", "holds no article"),
        ("a.zip", zipped({}), "holds no article"),
    ],
)
def test_path_without_articles_is_refused(
    tmp_path: Path, name: str, data: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInput, match=complaint):
        list(read_items(tmp_path / name))


def test_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file or folder"):
        list(read_items(tmp_path / "nowhere"))


def test_language_is_for_items_that_do_not_say_theirs(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "b.md").write_text("---\nlanguage: fr\n---\nTexte.")
    items = [item for item in read_items(tmp_path, language="de") if isinstance(item, ImportItem)]
    assert [item.language for item in items] == ["de", "fr"]
