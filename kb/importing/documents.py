"""PDF and DOCX, through libraries that read them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import mammoth
from pypdf import PdfReader

from kb.content import FORBIDDEN
from kb.errors import DomainError, InvalidInput
from kb.importing.archives import require_modest_zip
from kb.importing.files import SourceFile
from kb.importing.html import html_to_markdown, title_of
from kb.importing.items import ImportItem, Reading, title_from


def read_pdf(file: SourceFile) -> Iterator[Reading]:
    """One article of all pages; title: the document's own, else its first line."""
    data = file.read()
    try:
        title, body = _extract_pdf(data)
    except DomainError:
        raise
    except Exception as error:
        # A damaged PDF makes pypdf raise almost anything.
        raise InvalidInput(f"the PDF cannot be read: {error}") from error
    if not body:
        raise InvalidInput("the PDF has no text; scanned pages need text recognition first")
    yield ImportItem(
        origin=file.name,
        external_id=file.file_id,
        title=title or title_from(body, otherwise=file.stem),
        body=body,
    )


def read_docx(file: SourceFile) -> Iterator[Reading]:
    """One article; title: the first heading, else the file's name. Pictures are left out."""
    data = file.read()
    require_modest_zip(data, file.name)
    try:
        without_images = mammoth.images.img_element(lambda _: {})
        html: str = mammoth.convert_to_html(BytesIO(data), convert_image=without_images).value
    except Exception as error:
        # mammoth passes on whatever the zip and XML parsers raise.
        raise InvalidInput(f"the DOCX cannot be read: {error}") from error
    body = _without_control_characters(html_to_markdown(html))
    if not body:
        raise InvalidInput("the DOCX has no text")
    yield ImportItem(
        origin=file.name,
        external_id=file.file_id,
        title=title_of(html) or file.stem,
        body=body,
    )


def _extract_pdf(data: bytes) -> tuple[str, str]:
    reader = PdfReader(BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise InvalidInput("the PDF is encrypted; save it without a password")
    pages = (_without_control_characters(page.extract_text()).strip() for page in reader.pages)
    title = _without_control_characters((reader.metadata and reader.metadata.title) or "")
    return title.strip(), "\n\n".join(filter(None, pages))


def _without_control_characters(text: str) -> str:
    """Form feeds and the like are how pages were laid out, not what they say."""
    return FORBIDDEN.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
