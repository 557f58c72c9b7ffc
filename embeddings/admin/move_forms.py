"""What is asked before a version is moved."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTimeWidget,
)

from embeddings.services.starting import Pace

MAX_REASON_CHARACTERS = 2_000
PERCENT = 100


def reason_field(label: str, *, required: bool, help_text: str = "") -> forms.CharField:
    """A few written words, kept in the version's history."""
    return forms.CharField(
        label=label,
        required=required,
        max_length=MAX_REASON_CHARACTERS,
        help_text=help_text,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class ReasonForm(forms.Form):
    """Why."""

    reason = reason_field("Why", required=True, help_text="Kept in the history below.")


class CutOverForm(forms.Form):
    """Reasons for going on where the gate or parked articles are in the way."""

    override = reason_field("Why to go on without the gate’s consent", required=False)
    waiver = reason_field("Why parked articles may be left behind", required=False)

    def ask_only(self, **needed: bool) -> None:
        """Leave out what is not needed, unless something was written there."""
        for name, asked in needed.items():
            if not asked and not self[name].value():
                del self.fields[name]


class RollBackForm(ReasonForm):
    """Why, and whether at any price."""

    anyway = forms.BooleanField(
        label="At once, even if some articles are not searchable there yet", required=False
    )


class RetireForm(ReasonForm):
    """Why, and whether before its time."""

    now = forms.BooleanField(
        label="At once, even if it was live until a short time ago", required=False
    )


class PaceForm(forms.Form):
    """How bulk work may run."""

    tokens_per_second = forms.IntegerField(
        label="At most so many tokens per second",
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Empty: as fast as it goes. What people publish is never held back.",
    )
    night_from = forms.TimeField(
        label="Bulk work only from",
        required=False,
        widget=UnfoldAdminTimeWidget(attrs={"type": "time"}),
    )
    night_until = forms.TimeField(
        label="Until",
        required=False,
        widget=UnfoldAdminTimeWidget(attrs={"type": "time"}),
        help_text="UTC; past midnight if it is before the first. Empty: all day.",
    )

    def clean(self) -> dict[str, Any]:
        """Both hours, or none."""
        values = super().clean() or self.cleaned_data
        if (values.get("night_from") is None) != (values.get("night_until") is None):
            self.add_error("night_until", "Give both hours, or none.")
        return values

    @staticmethod
    def pace_of(given: dict[str, Any]) -> Pace:
        """As services take it."""
        names = ("tokens_per_second", "night_from", "night_until")
        return Pace(**{name: given[name] for name in names})


class ShadowForm(forms.Form):
    """How many of the live questions."""

    percent = forms.FloatField(
        label="Percent of the live questions",
        min_value=0,
        max_value=PERCENT,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"step": "any", "min": 0, "max": PERCENT}),
        help_text="Their answers still come from the live version. 0 ends it.",
    )
