"""The data model; one file per word of the domain."""

from leaderboard.models.account import ApiToken
from leaderboard.models.audit import AuditEntry
from leaderboard.models.benchmark import Benchmark, BenchmarkTask, BenchmarkVersion
from leaderboard.models.board import BoardChange, Snapshot
from leaderboard.models.evaluation import Evaluation, Event, Score, SystemResult
from leaderboard.models.frame_errors import FrameErrorTable
from leaderboard.models.history import BoardHistory, StandingRecord
from leaderboard.models.idempotency import IdempotencyKey
from leaderboard.models.output import EvaluationFile, KeptSystem
from leaderboard.models.potential import Potential
from leaderboard.models.reference import ReferenceSet
from leaderboard.models.reference_upload import ReferenceUpload
from leaderboard.models.runtime import RuntimeLock
from leaderboard.models.skill import SkillTable, TestedSystems
from leaderboard.models.submission import Artifact, Submission
from leaderboard.models.task import Task, TaskVersion
from leaderboard.models.team import Invitation, Membership, Team
from leaderboard.models.upload import Upload, UploadPart
from leaderboard.models.usage import Charge, QuotaOverride, RequestCount, WorkerTime
from leaderboard.models.webhook import Webhook, WebhookDelivery
from leaderboard.models.worker import Worker

__all__ = [
    "ApiToken",
    "Artifact",
    "AuditEntry",
    "Benchmark",
    "BenchmarkTask",
    "BenchmarkVersion",
    "BoardChange",
    "BoardHistory",
    "Charge",
    "Evaluation",
    "EvaluationFile",
    "Event",
    "FrameErrorTable",
    "IdempotencyKey",
    "Invitation",
    "KeptSystem",
    "Membership",
    "Potential",
    "QuotaOverride",
    "ReferenceSet",
    "ReferenceUpload",
    "RequestCount",
    "RuntimeLock",
    "Score",
    "SkillTable",
    "Snapshot",
    "StandingRecord",
    "Submission",
    "SystemResult",
    "Task",
    "TaskVersion",
    "Team",
    "TestedSystems",
    "Upload",
    "UploadPart",
    "Webhook",
    "WebhookDelivery",
    "Worker",
    "WorkerTime",
]
