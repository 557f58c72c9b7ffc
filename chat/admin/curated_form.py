"""The form that a curated answer is written in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from chat.models import CuratedAnswer
from chat.services.curated import MAX_QUESTION_CHARACTERS, CuratedDraft, check_curated_draft
from chat.services.curated_drafts import find_named_articles
from kb.access import Caller, caller_for_member
from kb.admin.placed_form import PlacedForm
from kb.admin.scope import user_of
from kb.errors import Conflict, DomainError, InvalidInput, NotFound
from kb.models import Article, Collection

# Of the draft's fields, where the form says them.
FIELDS = {"questions": "question"}
ARTICLE = ("article__latest_revision",)


class CuratedAnswerForm(PlacedForm):
    """One question, other ways to ask it, and the answer; `draft` is what the service is given."""

    request: HttpRequest
    question = forms.CharField(
        max_length=MAX_QUESTION_CHARACTERS,
        widget=UnfoldAdminTextInputWidget(attrs={"data-near": ""}),
        help_text="As a visitor would ask it.",
    )
    variants = forms.CharField(
        required=False,
        label="Other ways to ask it",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text="One a line. More wordings make the answer found more often; those that say "
        "something else make it found wrongly.",
    )
    text = forms.CharField(
        label="Answer",
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="Markdown. Given word for word, without asking the articles.",
    )
    sources = forms.CharField(
        required=False,
        label="Articles it stands on",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "data-sources": ""}),
        help_text="One a line: its number (#12; what follows is ignored) or its external id. "
        "Cited beside the answer. When one of them is unpublished, archived or deleted, the "
        "answer is not given any more.",
    )

    class Meta:
        model = CuratedAnswer
        fields = [
            "workspace", "text", "language", "audience", "collection", "enabled", "valid_until",
        ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.draft: CuratedDraft | None = None
        if self.instance.pk:
            self._start_from(self.instance)
        if "sources" in self.fields:
            self.fields["sources"].widget.attrs["data-sources"] = reverse("admin:autocomplete")
        help_text = "Internal answers are given only to readers who may see internal articles."
        self.fields["audience"].help_text = help_text
        self.fields["valid_until"].help_text = "Not given from then on. Empty: for good."

    def _start_from(self, answer: CuratedAnswer) -> None:
        main, *variants = [each.text for each in answer.questions.all()] or [""]
        self.initial["question"], self.initial["variants"] = main, "\n".join(variants)
        articles = [each.article for each in answer.sources.select_related(*ARTICLE)]
        self.initial["sources"] = "\n".join(f"#{each.pk} {each}" for each in articles if each)
        collections: Any = self.fields["collection"]
        collections.queryset = Collection.objects.filter(workspace=answer.workspace_id)

    def clean(self) -> dict[str, Any]:
        """What the service would refuse is said at the field, and nothing typed is lost."""
        values = super().clean() or self.cleaned_data
        place = self.place
        if self.errors or place is None:
            return values
        caller = caller_for_member(user_of(self.request), place)
        try:
            articles = find_named_articles(caller, values["sources"])
        except NotFound as error:
            self.add_error("sources", str(error))
            return values
        self._check(caller, self._draft(values, articles))
        return values

    def _draft(self, values: dict[str, Any], articles: tuple[Article, ...]) -> CuratedDraft:
        return CuratedDraft(
            text=values["text"],
            questions=(values["question"], *values["variants"].splitlines()),
            language=values["language"],
            audience=values["audience"],
            collection=values["collection"],
            sources=articles,
            enabled=values["enabled"],
            valid_until=values["valid_until"],
        )

    def _check(self, caller: Caller, draft: CuratedDraft) -> None:
        answer = self.instance if self.instance.pk else None
        try:
            self.draft = check_curated_draft(caller, draft=draft, answer=answer)
        except InvalidInput as error:
            self.add_error(FIELDS.get(error.field, error.field), str(error))
        except Conflict as error:
            self.add_error("question", str(error))
        except DomainError as error:
            self.add_error(None, str(error))
