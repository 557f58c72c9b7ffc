"""HTML pages: sanitised first, then turned into Markdown."""

from __future__ import annotations

from collections.abc import Iterator

import nh3
from bs4 import BeautifulSoup, Tag
from markdownify import markdownify

from kb.errors import InvalidInput
from kb.importing.decoding import decode
from kb.importing.files import SourceFile
from kb.importing.items import ImportItem, Reading

# Besides tags, all that is inside of these goes: none of it is text of an article.
DROPPED_WITH_CONTENT = {"script", "style", "template", "noscript", "iframe", "svg", "object"}
SCHEMES = {"http", "https", "mailto", "tel"}


def read_html(file: SourceFile) -> Iterator[Reading]:
    """One article; title: `<title>`, else the first `<h1>`, else the file's name."""
    page = decode(file.read())
    try:
        title, body = title_of(page) or file.stem, html_to_markdown(main_part(page))
    except RecursionError as error:
        raise InvalidInput("the HTML is nested too deeply") from error
    yield ImportItem(origin=file.name, external_id=file.file_id, title=title, body=body)


def title_of(page: str) -> str:
    """ "" when the page has none."""
    soup = BeautifulSoup(page, "html.parser")
    for name in ("title", "h1"):
        found = soup.find(name)
        if found is not None and (text := found.get_text(" ", strip=True)):
            return " ".join(text.split())
    return ""


def main_part(page: str) -> str:
    """The one `<main>` of a page that has one, so that menus and footers stay out."""
    soup = BeautifulSoup(page, "html.parser")
    found = soup.find_all("main")
    if len(found) == 1:
        return str(found[0])
    return str(soup.body) if isinstance(soup.body, Tag) else page


def html_to_markdown(html: str) -> str:
    """Markdown of what is harmless in `html`; scripts, forms and data URLs are gone."""
    safe = nh3.clean(
        html,
        clean_content_tags=DROPPED_WITH_CONTENT,
        url_schemes=SCHEMES,
        link_rel=None,
        tags=nh3.ALLOWED_TAGS - DROPPED_WITH_CONTENT,
    )
    markdown: str = markdownify(safe, heading_style="ATX", bullets="-", strip=["a-name"])
    return "\n".join(line.rstrip() for line in markdown.splitlines()).strip()
