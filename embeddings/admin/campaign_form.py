"""The form that a campaign is started with."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from embeddings.admin.move_forms import PaceForm
from embeddings.models import Campaign, CampaignOrder, Strategy
from embeddings.services.campaigns import start_campaign
from embeddings.services.moving import Actor
from kb.models import Workspace


class CampaignForm(PaceForm):
    """Which encoder, for which workspaces, and how many of them at a time."""

    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget)
    encoder = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    strategy = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        choices=[("", "The encoder’s own"), *Strategy.choices],
    )
    workspaces = forms.ModelMultipleChoiceField(
        queryset=Workspace.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: all there are.",
    )
    order = forms.ChoiceField(choices=CampaignOrder.choices, widget=UnfoldAdminSelectWidget)
    concurrency = forms.IntegerField(
        label="Workspaces at a time",
        initial=1,
        min_value=1,
        max_value=1000,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    stop_on_failure = forms.BooleanField(
        label="Begin nothing more once one has failed",
        initial=True,
        required=False,
        widget=UnfoldBooleanWidget,
    )
    cut_over = forms.BooleanField(
        label="Each goes live by itself once it is ready and the gate lets it",
        required=False,
        widget=UnfoldBooleanWidget,
    )
    field_order = [
        "name", "encoder", "strategy", "workspaces", "order", "concurrency",
        "tokens_per_second", "night_from", "night_until", "stop_on_failure", "cut_over",
    ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        workspaces, encoder = self.fields["workspaces"], self.fields["encoder"]
        workspaces.queryset = Workspace.objects.all()  # type: ignore[attr-defined]  # a model choice
        encoder.choices = [(alias, alias) for alias in sorted(settings.ENCODERS)]  # type: ignore[attr-defined]

    def start(self, *, actor: Actor) -> Campaign:
        """As chosen. Raises what the service raises."""
        given = self.cleaned_data
        return start_campaign(
            name=given["name"],
            encoder=given["encoder"],
            strategy=given["strategy"] or None,
            workspaces=given["workspaces"] or None,
            concurrency=given["concurrency"],
            order=given["order"],
            stop_on_failure=given["stop_on_failure"],
            cut_over=given["cut_over"],
            pace=self.pace_of(given),
            actor=actor,
        )
