"""All of an import is checked before anything of it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kb.content import ArticleText, clean, clean_external_id, clean_label, clean_tags
from kb.errors import DomainError, ImportRefused, TooLarge
from kb.importing.items import Ignored, ImportItem, Problem, Reading
from kb.indexable import require_indexable
from kb.models import Audience, Workspace

MAX_TOTAL_CHARACTERS = 500_000_000


@dataclass(slots=True)
class Checked:
    """What an import consists of; `items` by external id, in the order of reading."""

    items: dict[str, ImportItem] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)


def check_all(workspace: Workspace, readings: Iterable[Reading]) -> Checked:
    """Tell good from bad. Of two items with one external id the second is the problem.

    Raises TooLarge for more text than is held in memory at once, and what reading raises.
    """
    checked = Checked()
    characters = 0
    for reading in readings:
        if isinstance(reading, ImportItem):
            _check_item(workspace, reading, checked)
            characters += len(reading.body)
        elif isinstance(reading, Problem):
            checked.problems.append(reading)
        else:
            checked.ignored.append(reading)
        if characters > MAX_TOTAL_CHARACTERS:
            raise TooLarge("This is more text than one import takes; split it.")
    return checked


def accept_import(workspace: Workspace, readings: Iterable[Reading], *, skip_bad: bool) -> Checked:
    """What `check_all` finds; a problem is ImportRefused, with `skip_bad` only if all is bad.

    Needs no stored workspace, so one that is still to be made can be given.
    """
    checked = check_all(workspace, readings)
    if checked.problems and (not skip_bad or not checked.items):
        raise ImportRefused([str(problem) for problem in checked.problems])
    return checked


def text_of_item(
    item: ImportItem, *, language: str, audience: str = Audience.PUBLIC
) -> ArticleText:
    """The item's text; language and audience are for when it does not say its own."""
    return clean(
        title=item.title,
        body=item.body,
        language=item.language or language,
        audience=item.audience or audience,
    )


def _check_item(workspace: Workspace, item: ImportItem, checked: Checked) -> None:
    earlier = checked.items.get(item.external_id)
    if earlier is not None:
        also = f"the external id {item.external_id!r} is also that of {earlier.origin}"
        checked.problems.append(Problem(item.origin, also))
        return
    try:
        clean_external_id(item.external_id)
        clean_label("source", item.source or "")
        clean_label("collection", item.collection or "")
        clean_tags(item.tags or ())
        require_indexable(text_of_item(item, language=workspace.default_language))
    except DomainError as error:
        checked.problems.append(Problem(item.origin, str(error)))
    else:
        checked.items[item.external_id] = item
