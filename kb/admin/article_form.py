"""The form that an article is written in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from kb.access import Permission
from kb.admin.placed_form import PlacedForm
from kb.admin.scope import may_in
from kb.content import ArticleText, clean, clean_tags, content_hash
from kb.errors import InvalidInput
from kb.indexable import require_indexable
from kb.languages import Language
from kb.models import Article, ArticleState, Audience, Collection


class ArticleForm(PlacedForm):
    """Text and shelf of an article; `text` and `tag_list` are what the service is given.

    `base_revision` is the number of the revision that the writer started from: a newer one
    is a conflict, and then nothing is saved until the writer has chosen.
    """

    request: HttpRequest
    title = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)
    body = forms.CharField(
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 22, "class": "ub-body", "data-editor": ""}),
    )
    language = forms.ChoiceField(choices=Language.choices, widget=UnfoldAdminSelectWidget)
    audience = forms.ChoiceField(
        choices=Audience.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="Internal articles answer only to keys with the scope “internal”.",
    )
    tags = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Separated by commas."
    )
    change_note = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="What changed and why; shown beside the revision.",
    )
    base_revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Article
        fields = ["workspace", "collection"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text: ArticleText | None = None
        self.tag_list: list[str] = []
        self.conflict: Article | None = None
        if self.instance.pk:
            self._start_from(self.instance)

    def _start_from(self, article: Article) -> None:
        revision = article.latest_revision
        self.initial["tags"] = ", ".join(article.tags)
        if revision is not None:
            for name in ("title", "body", "language", "audience"):
                self.initial[name] = getattr(revision, name)
            self.initial["base_revision"] = revision.number
        collections: Any = self.fields["collection"]
        collections.queryset = Collection.objects.filter(workspace=article.workspace_id)

    def clean(self) -> dict[str, Any]:
        """What the services would refuse is said at the field, and nothing typed is lost."""
        values = super().clean() or self.cleaned_data
        self._clean_text(values)
        self._clean_tags(values)
        self._clean_place(values)
        if self.instance.pk:
            self._refuse_conflict(values)
        return values

    def _clean_text(self, values: dict[str, Any]) -> None:
        if any(name in self.errors for name in ("title", "body", "language", "audience")):
            return
        names = ("title", "body", "language", "audience")
        try:
            self.text = clean(**{name: values[name] for name in names})
            latest = self.instance.latest_revision
            if latest is None or latest.content_hash != content_hash(self.text):
                require_indexable(self.text)
        except InvalidInput as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))

    def _clean_tags(self, values: dict[str, Any]) -> None:
        try:
            self.tag_list = clean_tags((values.get("tags") or "").split(","))
        except InvalidInput as error:
            self.add_error("tags", str(error))

    def _clean_place(self, values: dict[str, Any]) -> None:
        workspace = self.place
        shelf: Collection | None = values.get("collection")
        if shelf and workspace and shelf.workspace_id != workspace.pk:
            self.add_error("collection", f"This collection is not of {workspace}.")
        if not self.wants_to_publish or workspace is None:
            return
        if not may_in(self.request, Permission.ARTICLES_PUBLISH, workspace.pk):
            self.add_error(None, "Your role saves drafts here; a reviewer publishes them.")
        if self.instance.state == ArticleState.ARCHIVED:
            self.add_error(None, "The article is archived; restore it first.")

    def _refuse_conflict(self, values: dict[str, Any]) -> None:
        locked = Article.objects.select_for_update().filter(pk=self.instance.pk).first()
        if locked is None:
            self.add_error(None, "The article was deleted meanwhile; your text is still here.")
            return
        newest = locked.latest_revision
        seen = {str(values.get("base_revision")), self.data.get("overwrite", "")}
        if newest is not None and str(newest.number) not in seen:
            self.conflict = locked
            self.add_error(
                None,
                "Somebody saved a newer revision while you were writing. Nothing is lost: "
                "your text is below, theirs is in the history. Compare, then choose.",
            )

    @property
    def wants_to_publish(self) -> bool:
        """Which button was pressed."""
        return "_publish" in self.data
