"""The form that a re-embedding is started with, and the estimate that it is bound to."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core import signing
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from embeddings.admin.move_forms import PaceForm, reason_field
from embeddings.estimates.estimating import estimate
from embeddings.models import Strategy
from kb.models import Workspace

SALT = "embeddings.estimate"
ESTIMATE_HOURS = 6


class StartForm(PaceForm):
    """Which encoder, how fast, and whether it goes live by itself."""

    workspace = forms.ModelChoiceField(
        queryset=Workspace.objects.none(), widget=UnfoldAdminSelectWidget, empty_label=None
    )
    encoder = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    strategy = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        choices=[("", "The encoder’s own"), *Strategy.choices],
        help_text="How an article becomes vectors.",
    )
    cut_over = forms.BooleanField(
        label="Go live by itself once it is ready and the gate lets it",
        required=False,
        widget=UnfoldBooleanWidget,
    )
    reason = reason_field("Why", required=False, help_text="Kept in the version’s history.")
    field_order = [
        "workspace", "encoder", "strategy", "tokens_per_second", "night_from", "night_until",
        "reason", "cut_over",
    ]  # fmt: skip

    def __init__(self, *args: Any, workspaces: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        workspace, encoder = self.fields["workspace"], self.fields["encoder"]
        workspace.queryset = workspaces  # type: ignore[attr-defined]  # a model choice
        encoder.choices = [(alias, alias) for alias in sorted(settings.ENCODERS)]  # type: ignore[attr-defined]


def signed_estimate(given: dict[str, Any]) -> str:
    """Made now, for these choices, to be sent along with the start."""
    found = estimate(
        given["workspace"], encoder=given["encoder"], strategy=given["strategy"] or None
    )
    return signing.dumps(_bound(given) | {"estimate": found.as_json()}, salt=SALT, compress=True)


def read_estimate(signed: str, given: dict[str, Any]) -> dict[str, Any] | None:
    """The estimate that a person saw; None if there is none of these very choices."""
    try:
        sent = signing.loads(signed, salt=SALT, max_age=ESTIMATE_HOURS * 3600)
    except signing.BadSignature:
        return None
    found: dict[str, Any] = sent.pop("estimate")
    return found if sent == _bound(given) else None


def _bound(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "to": given["workspace"].pk,
        "encoder": given["encoder"],
        "strategy": given["strategy"],
    }
