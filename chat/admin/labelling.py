"""Putting a question with its right articles into a question set, from a page that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget

from chat.models import LabelledQuestion, QuestionOrigin, QuestionSet
from chat.retrieval.conversation import Turn
from chat.services.question_sets import Expectation, NewQuestion, add_question
from kb.access import Permission
from kb.admin.scope import may_in
from kb.models import Article, Workspace

SHOWN_ARTICLES = 10


class LabelForm(forms.Form):
    """Which set, and which of these articles answer; or that none does."""

    question_set = forms.ChoiceField(label="Question set", widget=UnfoldAdminSelectWidget)
    expected = forms.MultipleChoiceField(
        required=False, label="Articles that answer it", widget=forms.CheckboxSelectMultiple
    )
    unanswerable = forms.BooleanField(
        required=False, label="No article answers it; the right thing is to say so"
    )

    def __init__(
        self, *args: Any, sets: Sequence[QuestionSet], articles: Sequence[Article], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sets = {str(each.pk): each for each in sets}
        self.articles = {str(each.pk): each for each in articles}
        self._choose("question_set", [(pk, each.name) for pk, each in self.sets.items()])
        self._choose("expected", [(pk, _title(each)) for pk, each in self.articles.items()])

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Either articles or none."""
        values = super().clean() or self.cleaned_data
        if bool(values.get("expected")) == bool(values.get("unanswerable")):
            raise forms.ValidationError("Tick the articles that answer it, or that none does.")
        return values

    def save(
        self, text: str, *, history: Sequence[Turn], origin: QuestionOrigin, key: str = ""
    ) -> LabelledQuestion:
        """Store it, through the service. Of a valid form. Raises InvalidInput."""
        chosen = [self.articles[pk] for pk in self.cleaned_data["expected"]]
        question = NewQuestion(
            text=text,
            key=key,
            history=tuple(history),
            answerable=bool(chosen),
            expected=tuple(Expectation(article=article) for article in chosen),
        )
        return add_question(self.chosen_set, question, origin=origin)

    @property
    def new_set_url(self) -> str:
        """Where a set is made."""
        return reverse("admin:chat_questionset_add")

    @property
    def chosen_set(self) -> QuestionSet:
        """Of a valid form."""
        return self.sets[self.cleaned_data["question_set"]]


def label_form(
    request: HttpRequest, workspace: Workspace, article_ids: Iterable[int], *, bound: bool = False
) -> LabelForm | None:
    """The form for a person who may change question sets here, else None.

    What was ticked stays on offer though it may not be among the results any more.
    """
    sets = writable_sets(request, workspace)
    if sets is None:
        return None
    ticked = [int(pk) for pk in request.POST.getlist("expected") if pk.isdecimal()][:100]
    articles = _articles(workspace, [*article_ids, *(ticked if bound else ())])
    return LabelForm(request.POST if bound else None, sets=sets, articles=articles)


def writable_sets(request: HttpRequest, workspace: Workspace) -> list[QuestionSet] | None:
    """The workspace's sets that the person may change; None if the role changes none at all."""
    if not may_in(request, Permission.EVALUATE, workspace.pk):
        return None
    return list(QuestionSet.objects.filter(workspace=workspace))


def _articles(workspace: Workspace, ids: Sequence[int]) -> list[Article]:
    """In the order given, those of the workspace. One query."""
    mine = Article.objects.filter(workspace=workspace, pk__in=ids).select_related(
        "published_revision", "latest_revision"
    )
    found = {each.pk: each for each in mine}
    return [found[pk] for pk in dict.fromkeys(ids) if pk in found]


def _title(article: Article) -> str:
    revision = article.published_revision or article.latest_revision
    return revision.title if revision else f"article {article.pk}"
