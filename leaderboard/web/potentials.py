"""The potentials: who made them, where they stand, how to run them."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from evaluator.catalog import CALCULATOR_KINDS
from leaderboard.models import Evaluation, Potential, Submission, permissions
from leaderboard.services.leaderboards import BenchmarkBoard, BoardRow, benchmark_board
from leaderboard.services.submissions import default_benchmark


@dataclass(frozen=True, kw_only=True)
class VersionCard:
    """One version of a potential with all that was measured on it."""

    submission: Submission
    row: BoardRow | None
    evaluations: list[Evaluation]


@require_safe
def potential_list(request: HttpRequest) -> HttpResponse:
    potentials = (
        _visible(request.user)
        .annotate(n_versions=Count("submissions", filter=_shown("submissions__", request.user)))
        .order_by("is_baseline", "name")
    )
    return render(request, "potential_list.html", {"potentials": potentials})


@require_safe
def potential(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(_visible(request.user), slug=slug)
    submissions = list(
        found.submissions.filter(_shown("", request.user))
        .select_related("potential", "artifact")
        .order_by("-created_at")
    )
    version = default_benchmark()
    board = benchmark_board(version, user=request.user) if version else None
    return render(
        request,
        "potential.html",
        {
            "potential": found,
            "board": board,
            "cards": _cards(submissions, board),
            "kinds": CALCULATOR_KINDS,
            "is_owner": permissions.may_submit(request.user, found),
        },
    )


def _visible(user: User | AnonymousUser) -> QuerySet[Potential]:
    return Potential.objects.filter(permissions.potentials_visible_to(user))


def _shown(prefix: str, user: User | AnonymousUser) -> Q:
    """Versions to show: the same rule as SubmissionQuerySet.visible_to, across a join."""
    if user.is_staff:
        return Q()
    visible = Submission.objects.all().visible_to(user)
    return Q(**{f"{prefix}pk__in": visible.values("pk")})


def _cards(submissions: list[Submission], board: BenchmarkBoard | None) -> list[VersionCard]:
    rows = {row.submission: row for row in board.rows} if board else {}
    evaluations: dict[object, list[Evaluation]] = {s.pk: [] for s in submissions}
    found = (
        Evaluation.objects.filter(submission__in=submissions, is_current=True)
        .select_related("task_version__task", "task_version__reference_set")
        .prefetch_related("scores")
        .defer("stdout", "stderr", "provenance", "replicates")
        .order_by("task_version__task__name", "-task_version__number")
    )
    for evaluation in found:
        evaluations[evaluation.submission_id].append(evaluation)
    return [
        VersionCard(submission=s, row=rows.get(s), evaluations=evaluations[s.pk])
        for s in submissions
    ]
