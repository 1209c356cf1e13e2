"""Potentials and their versions as pages list them, to everybody and to their owners."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Potential, Submission
from leaderboard.models.permissions import visible_potentials
from leaderboard.models.potential import PotentialQuerySet
from leaderboard.models.team import SUBMITTING_ROLES, potentials_of

_BULKY = ("stdout", "stderr", "provenance", "consistency", "replicates", "summary")


def listed_potentials(user: User | AnonymousUser, *fields: str) -> list[tuple[Any, ...]]:
    """The fields of those that the reader may see; baselines last. One query.

    ``n_versions`` is the number of versions that he may see.
    """
    versions = Count("submissions", filter=_versions_visible_to(user, "submissions__"))
    rows = visible_potentials(user).annotate(n_versions=versions)
    return list(rows.order_by("is_baseline", "name", "pk").values_list(*fields))


def versions_of(potential: Potential, user: User | AnonymousUser) -> list[Submission]:
    """Those that the reader may see, the newest first."""
    rows = potential.submissions.filter(_versions_visible_to(user))
    return list(rows.select_related("potential", "artifact").order_by("-created_at"))


def telling_version(potential: Potential, user: User | AnonymousUser) -> Submission | None:
    """The newest visible version that has been evaluated; else the newest."""
    done = (
        Evaluation.objects.all()
        .current()
        .filter(submission=OuterRef("pk"), state=EvaluationState.SUCCEEDED)
    )
    visible = potential.submissions.filter(pk__in=Submission.objects.all().visible_to(user))
    return visible.annotate(is_done=Exists(done)).order_by("-is_done", "-created_at").first()


def submissions_of(user: User) -> QuerySet[Submission]:
    """His own and his teams', with their potentials."""
    return Submission.objects.all().of(user).select_related("potential")


def submissions_with_results(user: User) -> QuerySet[Submission]:
    """His own and his teams', the newest first, with their current evaluations."""
    evaluations = (
        Evaluation.objects.all()
        .current()
        .select_related("task_version__task", "task_version__reference_set")
        .defer(*_BULKY)
        .order_by("task_version__task__name")
    )
    rows = submissions_of(user).prefetch_related(Prefetch("evaluations", evaluations))
    return rows.order_by("-created_at")


def potentials_to_submit_to(user: User) -> PotentialQuerySet:
    """His own, and those of teams in which he may submit, by their names."""
    return (
        Potential.objects.all().filter(potentials_of(user, roles=SUBMITTING_ROLES)).order_by("name")
    )


def potential_to_submit_to(user: User, slug: str) -> Potential | None:
    """By its slug or address. His own comes before another's of the same slug."""
    return potentials_to_submit_to(user).named(slug).first()


def _versions_visible_to(user: User | AnonymousUser, prefix: str = "") -> Q:
    """The rule of ``SubmissionQuerySet.visible_to`` across a join, whose path is the prefix."""
    if user.is_staff:
        return Q()
    visible = Submission.objects.all().visible_to(user)
    return Q(**{f"{prefix}pk__in": visible.values("pk")})
