"""Rows of the embeddings app."""

from embeddings.lifecycle import VersionState
from embeddings.models.campaign import (
    Campaign,
    CampaignOrder,
    CampaignState,
    CampaignWorkspace,
    Step,
)
from embeddings.models.entry import EntryState, IndexEntry
from embeddings.models.event import VersionEvent
from embeddings.models.index_version import IndexVersion, Strategy
from embeddings.models.serving import ServingProcess
from embeddings.models.spend import TokenSpend
from embeddings.models.vectors import ArticleVector, PassageVector, PassageWords
from embeddings.models.verdict import Verdict
from embeddings.models.worker import WorkerHeartbeat

__all__ = [
    "ArticleVector",
    "Campaign",
    "CampaignOrder",
    "CampaignState",
    "CampaignWorkspace",
    "EntryState",
    "IndexEntry",
    "IndexVersion",
    "PassageVector",
    "PassageWords",
    "ServingProcess",
    "Step",
    "Strategy",
    "TokenSpend",
    "Verdict",
    "VersionEvent",
    "VersionState",
    "WorkerHeartbeat",
]
