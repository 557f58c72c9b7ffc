"""Rows of the chat app."""

from chat.models.calibration import Calibration
from chat.models.conversation import Citation, Conversation, Message, MessageRole
from chat.models.curated import (
    CuratedAnswer,
    CuratedQuestion,
    CuratedSource,
    CuratedVector,
)
from chat.models.evaluation import EvaluationRun, QuestionOutcome, RunState
from chat.models.gate import GateMeasure, GatePolicy, Judgement
from chat.models.profile import RetrievalProfile
from chat.models.question_set import (
    ExpectedAnswer,
    LabelledQuestion,
    QuestionOrigin,
    QuestionSet,
)
from chat.models.shadow import ShadowComparison
from chat.models.trace import Trace
from chat.models.trace_policy import TracePolicy

__all__ = [
    "Calibration",
    "Citation",
    "Conversation",
    "CuratedAnswer",
    "CuratedQuestion",
    "CuratedSource",
    "CuratedVector",
    "EvaluationRun",
    "ExpectedAnswer",
    "GateMeasure",
    "GatePolicy",
    "Judgement",
    "LabelledQuestion",
    "Message",
    "MessageRole",
    "QuestionOrigin",
    "QuestionOutcome",
    "QuestionSet",
    "RetrievalProfile",
    "RunState",
    "ShadowComparison",
    "Trace",
    "TracePolicy",
]
