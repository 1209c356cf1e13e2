"""Choices that the database stores. What both halves know is taken from the contract."""

from __future__ import annotations

from django.db import models

from evaluator.catalog import CALCULATOR_KINDS, PROTOCOLS
from evaluator.contract import Verdict


class EvaluationState(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL_STATES = frozenset(
    {EvaluationState.SUCCEEDED, EvaluationState.FAILED, EvaluationState.CANCELLED}
)


class VersionState(models.TextChoices):
    """Of a task version or a benchmark version. A published one never changes again."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


class Visibility(models.TextChoices):
    PRIVATE = "private"
    PUBLIC = "public"


class RuntimeState(models.TextChoices):
    """Of the lock that a submission brings: what has become of its runtime."""

    WAITING = "waiting"  # no worker has come to it
    BUILDING = "building"
    BUILT = "built"
    REFUSED = "refused"  # the lock's own fault, for good
    FAILED = "failed"  # ours; tried again with the next evaluation


class StandingChange(models.TextChoices):
    """What brought a version to where it stands on a board."""

    PUBLISHED = "published"  # the board itself, which the version was on from the start
    ENTERED = "entered"
    MOVED = "moved"
    WITHDRAWN = "withdrawn"
    REPEATED = "repeated"  # a task is evaluated anew: it is off the board until that is done
    RETURNED = "returned"


class TeamRole(models.TextChoices):
    """What a member of a team may do; see models/permissions.py."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    OWNER = "owner"


class TokenScope(models.TextChoices):
    """What an API token may be used for, within the rights of its user."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


class TokenEnd(models.TextChoices):
    """Why an API token was revoked."""

    ASKED = "asked", "when it was asked for"
    PASSWORD = "password", "when the password changed"
    CLOSED = "closed", "when the account was closed"
    #: Of the staff: a token with the staff's rights ends with the second factor.
    SECOND_FACTOR = "second-factor", "when the second factor was taken away"


def verdict_choices() -> list[tuple[str, str]]:
    return [(v.value, v.value.replace("_", " ")) for v in Verdict]


def protocol_choices() -> list[tuple[str, str]]:
    return [(p.name, p.label) for p in PROTOCOLS.values()]


def calculator_kind_choices() -> list[tuple[str, str]]:
    return [(k.name, k.label) for k in CALCULATOR_KINDS.values()]
