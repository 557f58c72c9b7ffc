"""The forms of a question set's page."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from chat.evaluation.files import MAX_FILE_BYTES
from chat.models import QuestionSet, RetrievalProfile
from chat.retrieval.settings import SHIPPED
from chat.services.question_imports import find_articles
from chat.services.question_sets import Expectation, NewQuestion
from embeddings.models import IndexVersion


class QuestionSetForm(forms.ModelForm[QuestionSet]):
    """Name and slug, each once in a workspace."""

    class Meta:
        model = QuestionSet
        fields = ["workspace", "name", "slug", "description"]

    def clean(self) -> dict[str, Any]:
        """A name taken is said at its field (the workspace of an old set is no field)."""
        values = super().clean() or self.cleaned_data
        workspace = values.get("workspace") or getattr(self.instance, "workspace", None)
        others = QuestionSet.objects.filter(workspace=workspace).exclude(pk=self.instance.pk)
        for name in ("name", "slug"):
            if name in values and others.filter(**{name: values[name]}).exists():
                self.add_error(name, "There is a question set of this name already.")
        return values


class ImportForm(forms.Form):
    """A file of questions."""

    file = forms.FileField(
        label="File",
        widget=UnfoldAdminFileFieldWidget,
        help_text="JSONL or CSV with known answers, at most 10 MB; all of it is stored or nothing. "
        "Questions with the same key are replaced.",
    )

    def clean_file(self) -> Any:
        """Not read when it is too large."""
        file = self.cleaned_data["file"]
        if file.size > MAX_FILE_BYTES:
            raise forms.ValidationError("The file has more than 10 MB.")
        return file


class QuestionForm(forms.Form):
    """One question by hand."""

    text = forms.CharField(
        label="Question", widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), max_length=4000
    )
    article = forms.CharField(
        required=False,
        label="Article that answers it",
        widget=UnfoldAdminTextInputWidget,
        help_text="Its external id or number; leave it empty when nothing answers the question.",
    )
    quote = forms.CharField(
        required=False,
        label="The words that answer",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Copied from the article; they are found again when it is edited.",
    )

    def __init__(self, *args: Any, question_set: QuestionSet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.question_set = question_set

    def clean(self) -> dict[str, Any]:
        """The article must be one of the workspace."""
        values = super().clean() or self.cleaned_data
        name = (values.get("article") or "").strip()
        found = find_articles(self.question_set, [name]) if name else {}
        if name and not found:
            self.add_error("article", "This workspace has no such article.")
        self.found = next(iter(found.values()), None)
        return values

    def question(self) -> NewQuestion:
        """Of a valid form."""
        quote = self.cleaned_data["quote"]
        expected = (Expectation(article=self.found, quote=quote),) if self.found else ()
        return NewQuestion(
            text=self.cleaned_data["text"], expected=expected, answerable=bool(expected)
        )


class RunForm(forms.Form):
    """What the questions are asked with."""

    profile = forms.ChoiceField(required=False, label="Profile", widget=UnfoldAdminSelectWidget)
    version = forms.ChoiceField(
        required=False, label="Index version", widget=UnfoldAdminSelectWidget
    )
    answers = forms.BooleanField(
        required=False, initial=True, label="Judge answers and abstentions too"
    )

    def __init__(self, *args: Any, question_set: QuestionSet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        workspace = question_set.workspace
        own = RetrievalProfile.objects.filter(workspace=workspace).values_list("name", flat=True)
        names = dict.fromkeys([*own, *SHIPPED])
        versions = IndexVersion.objects.active().filter(workspace=workspace).order_by("-number")
        self.versions = {str(each.pk): each for each in versions}
        self._offer("profile", [("", "The workspace's default"), *((n, n) for n in names)])
        shown = [
            (pk, f"{each.number} · {each.encoder} ({each.state})")
            for pk, each in self.versions.items()
        ]
        self._offer("version", [("", "The live one"), *shown])

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    @property
    def chosen(self) -> dict[str, Any]:
        """Of a valid form, as `start_run` takes it."""
        return {
            "profile": self.cleaned_data["profile"] or None,
            "version": self.versions.get(self.cleaned_data["version"]),
            "answers": self.cleaned_data["answers"],
        }
