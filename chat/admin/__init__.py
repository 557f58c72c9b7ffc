"""Admin of conversations and traces; importing it registers every page."""

from chat.admin import (
    calibrations,
    conversations,
    curated,
    evaluation_runs,
    gate_policies,
    policies,
    profiles,
    question_sets,
    traces,
)

__all__ = [
    "calibrations",
    "conversations",
    "curated",
    "evaluation_runs",
    "gate_policies",
    "policies",
    "profiles",
    "question_sets",
    "traces",
]
