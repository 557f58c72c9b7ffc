"""The playground's form: a question, as whom and where to ask it, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from chat.models import RetrievalProfile
from chat.retrieval.conversation import Turn
from chat.retrieval.settings import SHIPPED
from embeddings.models import IndexVersion
from kb.languages import Language
from kb.models import Audience, Collection, Workspace
from kb.search import Filters

BOT = "bot:"
NOTHING = "-"
MAX_TURNS = 50
FOLDED = (
    "history",
    "collection",
    "language",
    "audience",
    "tags",
    "sources",
    "updated_after",
    "reader",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One column: settings and index version; None stands for the workspace's own."""

    name: str
    profile: str | None
    version: int | None


class PlaygroundForm(forms.Form):
    """Choices are those of one workspace."""

    question = forms.CharField(
        strip=False,
        max_length=settings.CHAT_MAX_QUESTION_CHARACTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    history = forms.CharField(
        required=False,
        label="Said before",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One turn a line, oldest first. Lines of the bot begin with “Bot:”.",
    )
    reader = forms.ChoiceField(
        choices=[("public", "A visitor: public articles"), ("internal", "Staff: all articles")],
        widget=UnfoldAdminSelectWidget,
    )
    curated = forms.BooleanField(required=False, label="Let curated answers answer first")
    collection = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    language = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *Language.choices],
        widget=UnfoldAdminSelectWidget,
    )
    audience = forms.ChoiceField(
        required=False, choices=[("", "Any"), *Audience.choices], widget=UnfoldAdminSelectWidget
    )
    tags = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Any of these; with commas."
    )
    sources = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Any of these; with commas."
    )
    updated_after = forms.DateTimeField(
        required=False,
        label="Published since",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-01-31"}),
    )
    profile_a = forms.ChoiceField(required=False, label="Profile", widget=UnfoldAdminSelectWidget)
    version_a = forms.ChoiceField(
        required=False, label="Index version", widget=UnfoldAdminSelectWidget
    )
    profile_b = forms.ChoiceField(required=False, label="Profile", widget=UnfoldAdminSelectWidget)
    version_b = forms.ChoiceField(
        required=False, label="Index version", widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        profiles, versions = profile_choices(workspace), version_choices(workspace)
        self._choose("profile_a", profiles)
        self._choose("version_a", versions)
        self._choose("profile_b", [(NOTHING, "Nothing: do not compare"), *profiles])
        self._choose("version_b", versions)
        shelves = Collection.objects.filter(workspace=workspace).order_by("name")
        self._choose("collection", [("", "Any"), *shelves.values_list("slug", "name")])
        self.initial.setdefault("profile_b", NOTHING)

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = choices

    def clean_history(self) -> tuple[Turn, ...]:
        """Turns, by who said them."""
        lines = [line.strip() for line in self.cleaned_data["history"].splitlines()]
        turns = tuple(turn for line in lines if (turn := _turn(line)).text)
        if len(turns) > MAX_TURNS:
            raise forms.ValidationError(f"At most {MAX_TURNS} turns.")
        return turns

    @property
    def narrowed(self) -> bool:
        """Whether anything is set that the page folds away at first."""
        plain = {"", "public", None}
        return any(self[name].value() not in plain for name in FOLDED)

    @property
    def filters(self) -> Filters:
        """Of a valid form."""
        given = self.cleaned_data
        return Filters(
            collections=_listed(given["collection"]),
            languages=_listed(given["language"]),
            tags=_listed(given["tags"]),
            sources=_listed(given["sources"]),
            audience=given["audience"],
            updated_after=given["updated_after"],
        )

    @property
    def sides(self) -> list[Side]:
        """One column or two, of a valid form."""
        given = self.cleaned_data
        names = ["a"] if given["profile_b"] == NOTHING else ["a", "b"]
        return [
            Side(
                name=name.upper(),
                profile=given[f"profile_{name}"] or None,
                version=int(given[f"version_{name}"]) if given[f"version_{name}"] else None,
            )
            for name in names
        ]


def profile_choices(workspace: Workspace) -> list[tuple[str, str]]:
    """The workspace's default, then every profile by name."""
    own = RetrievalProfile.objects.filter(workspace=workspace).values_list("name", flat=True)
    names = sorted({*own, *SHIPPED})
    return [("", "The workspace's default"), *((name, name) for name in names)]


def version_choices(workspace: Workspace) -> list[tuple[str, str]]:
    """The live one, then every version that can be asked."""
    versions = IndexVersion.objects.active().filter(workspace=workspace).order_by("-number")
    return [
        ("", "The live one"),
        *(
            (str(each.number), f"{each.number} · {each.encoder} ({each.state})")
            for each in versions
        ),
    ]


def _turn(line: str) -> Turn:
    if line.lower().startswith(BOT):
        return Turn(role="assistant", text=line[len(BOT) :].strip())
    return Turn(role="visitor", text=line)


def _listed(value: str) -> tuple[str, ...]:
    return tuple(part for each in value.split(",") if (part := each.strip()))
