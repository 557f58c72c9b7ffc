"""Markdown to HTML that is safe to put into any page; derived on demand, never stored."""

from __future__ import annotations

from functools import cache

import nh3
from django.utils.text import slugify
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "hr", "img", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul", *HEADINGS,
}  # fmt: skip
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "code": {"class"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "td": {"style"},
    "th": {"style"},
    **{heading: {"id"} for heading in HEADINGS},
}
SCHEMES = {"http", "https", "mailto", "tel"}
ALIGNMENTS = {f"text-align:{side}" for side in ("left", "right", "center")}


def render_markdown(body: str) -> str:
    """CommonMark, tables and strikethrough as sanitised HTML.

    Raw HTML is shown as text; links carry `nofollow noopener`; an image is loaded over
    https or not at all; headings get ids (`section-…`, so that none can shadow the page's own).
    """
    return nh3.clean(
        _parser().render(body),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_filter_attribute,
        url_schemes=SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return parser.use(anchors_plugin, max_level=6, slug_func=_heading_id)


def _heading_id(title: str) -> str:
    return f"section-{slugify(title, allow_unicode=True)}"


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "img" and name == "src":
        return value if value.startswith("https://") else None
    if name == "style":
        return value if value in ALIGNMENTS else None
    if tag == "code" and not value.startswith("language-"):
        return None
    return value
