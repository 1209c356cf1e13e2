"""A thin typed client of the service's REST API.

>>> from evaluator.client import Client
>>> client = Client("https://touchstone.example.org", token="tst_...")
>>> for row in client.leaderboard("core-small").rows:
...     print(row.rank, row.submission.potential.name, row.overall)

Needs requests and msgspec alone: importing it brings in neither torch nor ASE. What the service
refuses is raised as ``Refused`` or one of its subclasses, with the service's own words.
"""

from evaluator.client.api import Client
from evaluator.client.errors import (
    ClientError,
    Conflict,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    QuotaExceeded,
    Refused,
    ServiceFault,
    Throttled,
    TooLarge,
    UnexpectedAnswer,
    Unreachable,
)
from evaluator.client.records import (
    CheckedSubmission,
    Evaluation,
    FieldError,
    Leaderboard,
    LeaderboardRow,
    Logs,
    Me,
    Potential,
    Problem,
    Queue,
    Quota,
    Score,
    Submission,
    Submitted,
    TaskBoard,
    TaskBoardRow,
    Upload,
)

__all__ = [
    "CheckedSubmission",
    "Client",
    "ClientError",
    "Conflict",
    "Evaluation",
    "FieldError",
    "Forbidden",
    "Invalid",
    "Leaderboard",
    "LeaderboardRow",
    "Logs",
    "Me",
    "NotAuthenticated",
    "NotFound",
    "Potential",
    "Problem",
    "Queue",
    "Quota",
    "QuotaExceeded",
    "Refused",
    "Score",
    "ServiceFault",
    "Submission",
    "Submitted",
    "TaskBoard",
    "TaskBoardRow",
    "Throttled",
    "TooLarge",
    "UnexpectedAnswer",
    "Unreachable",
    "Upload",
]
