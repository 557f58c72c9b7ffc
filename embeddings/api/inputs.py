"""What may be said to the API of index versions."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from embeddings.models import Strategy
from embeddings.services.starting import Pace

MAX_REASON_CHARACTERS = 2_000


class PaceInput(serializers.Serializer[Any]):
    """How bulk work may run; what is left out is not limited."""

    tokens_per_second = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**31 - 1
    )
    night_from = serializers.TimeField(
        required=False, allow_null=True, help_text="Server's time zone; given with `night_until`"
    )
    night_until = serializers.TimeField(
        required=False, allow_null=True, help_text="Past midnight if it is before `night_from`"
    )


class EstimateInput(serializers.Serializer[Any]):
    """Another encoder, or another way of cutting articles."""

    encoder = serializers.CharField(max_length=63, help_text="As configured in ENCODERS")
    strategy = serializers.ChoiceField(
        choices=Strategy.choices, required=False, allow_null=True, help_text="The encoder's own"
    )


class ReasonInput(serializers.Serializer[Any]):
    """Why, for the events."""

    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_REASON_CHARACTERS, default=""
    )


class StartInput(EstimateInput, ReasonInput):
    """What to build, how fast, and whether it goes live by itself."""

    pace = PaceInput(required=False)
    cut_over = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Goes live by itself once it is ready and the gate lets it",
    )
    estimate = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Estimate first (some seconds), and keep it beside what happens",
    )


class CutOverInput(serializers.Serializer[Any]):
    """Written reasons for going on all the same; both are kept in the event."""

    override = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_REASON_CHARACTERS, default="",
        help_text="Why to go on without, or against, the verdict",
    )  # fmt: skip
    waiver = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_REASON_CHARACTERS, default="",
        help_text="Why parked articles may be left behind",
    )  # fmt: skip


class RollBackInput(ReasonInput):
    """`anyway`: at once, although some articles may not be searchable there yet."""

    anyway = serializers.BooleanField(required=False, default=False)


class RetireInput(ReasonInput):
    """`now`: without waiting until it has stood by for its time."""

    now = serializers.BooleanField(required=False, default=False)


class ShadowInput(serializers.Serializer[Any]):
    """Of the live questions."""

    share = serializers.FloatField(min_value=0, max_value=1)


def pace_from(given: dict[str, Any]) -> Pace:
    """As services take it."""
    return Pace(**given)
