"""Bringing articles in from files: read, check all, then store."""

from kb.importing.checking import accept_import
from kb.importing.items import Ignored, ImportItem, Problem, Reading
from kb.importing.reading import read_items
from kb.importing.storing import ImportProgress, ImportReport, import_articles

__all__ = [
    "Ignored",
    "ImportItem",
    "ImportProgress",
    "ImportReport",
    "Problem",
    "Reading",
    "accept_import",
    "import_articles",
    "read_items",
]
