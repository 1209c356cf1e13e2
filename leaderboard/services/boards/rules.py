"""The read side: what stands on a board, in what order, and why something is not ranked.

Ranks on a public board are the same for every reader. A submission that its owner keeps private
is shown to him alone, with its score and without a rank, below those that are ranked.
Every board takes a constant number of queries.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Q, QuerySet

from evaluator.contract import Verdict
from leaderboard import ranking
from leaderboard.enums import EvaluationState, Visibility
from leaderboard.exceptions import SubmissionError
from leaderboard.models import (
    BenchmarkTask,
    Evaluation,
    Score,
    Submission,
    TaskVersion,
)
from leaderboard.models.disclosure import OPEN, is_hidden, seen_by, told_score
from leaderboard.models.team import potentials_of
from leaderboard.services.boards import replicates as board_replicates
from leaderboard.services.boards.entrants import entrant_of
from leaderboard.services.boards.hardware import by_frequency
from leaderboard.services.boards.matrix import PRIVATE
from leaderboard.services.boards.results import Result, described
from leaderboard.services.boards.types import Category, MetricScore, TaskRow

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

#: In a query string, ``weight.<category>=2`` sets the weight of a category.
WEIGHT_PREFIX = "weight."

_IS_PUBLIC = "evaluation__task_version__reference_set__is_public"
#: Whether an evaluation may count on a board: see ``TaskVersion.counts_what_is_not_covered``.
HAS_SCORE = Q(state=EvaluationState.SUCCEEDED) | Q(
    state=EvaluationState.FAILED, verdict=Verdict.UNSUPPORTED, coverage=0
)
_NONE = np.zeros(0)
_BULKY = (
    *("stdout", "stderr", "consistency", "provenance", "replicates", "summary"),
    "submission__potential__description",
)


def unfinished(evaluations: Iterable[Evaluation]) -> tuple[list[Evaluation], list[Evaluation]]:
    """Those queued and running, the next one first; and those that ended without a score."""
    open_ones = [e for e in evaluations if e.state != EvaluationState.SUCCEEDED]
    pending = [e for e in open_ones if not e.has_ended]
    failed = [e for e in open_ones if e.has_ended]
    return (
        sorted(pending, key=lambda e: (-e.priority, e.queued_at)),
        sorted(failed, key=lambda e: str(e.submission)),
    )


def rows_of_task(task_version: TaskVersion, evaluations: QuerySet[Evaluation]) -> list[TaskRow]:
    """Successes on the task, ranked hardware by hardware, the most frequent first. Three queries.

    On a hidden set they are ranked by what everybody may know of them, for the staff too.
    """
    done = list(evaluations.filter(task_version=task_version, state=EvaluationState.SUCCEEDED))
    if not done:
        return []
    if is_hidden(task_version):
        for evaluation in done:
            evaluation.task_version = task_version
        done = [seen_by(None, evaluation) for evaluation in done]
    replicates = board_replicates.of_evaluations(e.pk for e in done)
    metrics = metrics_of(e.pk for e in done)
    return [
        row
        for key in by_frequency(e.hardware_key for e in done)
        for row in _task_rows(
            task_version, [e for e in done if e.hardware_key == key], replicates, metrics
        )
    ]


def metrics_of(evaluations: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[str, MetricScore]]:
    """What was found of each metric, by its key; of a hidden set its score alone. One query."""
    names = ("evaluation_id", "metric", _IS_PUBLIC, *MetricScore._fields)
    by_evaluation: dict[uuid.UUID, dict[str, MetricScore]] = {pk: {} for pk in evaluations}
    scores = Score.objects.filter(evaluation__in=list(by_evaluation))
    for key, metric, is_public, *values in scores.values_list(*names):
        score = MetricScore._make(values)
        by_evaluation[key][metric] = _told(score) if is_public is False else score
    return by_evaluation


def _told(score: MetricScore) -> MetricScore:
    """Leave of a hidden set what everybody may know."""
    return MetricScore(None, None, None, told_score(score.score), None, None)


def shares_of(entries: Sequence[BenchmarkTask], categories: Sequence[Category]) -> dict[int, float]:
    """Each task's share of the overall score, by primary key of the task version."""
    if not entries:
        return {}
    weight = {category.name: category.weight for category in categories}
    tasks = [ranking.Weighted(e.category, e.weight, weight[e.category]) for e in entries]
    return dict(zip((e.task_version_id for e in entries), ranking.shares_of(tasks), strict=True))


def weights_from_query(query: Mapping[str, str]) -> dict[str, float]:
    """Read ``weight.<category>=number`` from a query string; SubmissionError names what is bad."""
    weights: dict[str, float] = {}
    errors: dict[str, str] = {}
    for name, text in query.items():
        if not name.startswith(WEIGHT_PREFIX) or not text.strip():
            continue
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not 0 <= weight <= 1000:
            errors[name] = f"The weight {text[:40]!r} must be a number from 0 to 1000."
        weights[name.removeprefix(WEIGHT_PREFIX)] = weight
    if errors:
        raise SubmissionError(errors)
    return weights


def why_not_ranked(evaluation: Evaluation | Result, task_version: TaskVersion) -> str:
    """One sentence, or nothing when the evaluation's score is ranked on its task."""
    if evaluation.score is None:
        return "Nothing could be judged: no system of the task is supported."
    if evaluation.why_unreliable:
        return f"{evaluation.why_unreliable} Such times are not ranked; they are repeated later."
    coverage = evaluation.coverage
    if coverage is None:
        return "The evaluation did not tell how many systems are supported."
    if coverage < task_version.min_coverage:
        return (
            f"Supports {coverage:.0%} of the systems of {task_version.task.name}; "
            f"at least {task_version.min_coverage:.0%} are needed for a rank."
        )
    if evaluation.submission.visibility != Visibility.PUBLIC:
        return PRIVATE
    return ""


def has_theory_mismatch(submission: Submission, task_version: TaskVersion) -> bool:
    """Whether potential and reference are known to have no level of theory in common.

    A training set may mix several ("PBE, PBE+U"): commas separate them. A reference of "none" (mere
    starting structures) has nothing to be compared with.
    """
    reference = task_version.reference_set
    ours = levels_of(submission.potential.level_of_theory)
    theirs = levels_of(reference.level_of_theory if reference else "")
    return are_apart(ours, theirs)


def are_apart(ours: Set[str], theirs: Set[str]) -> bool:
    """Whether both sets of ``levels_of`` are known and have nothing in common."""
    return bool(ours and theirs) and ours.isdisjoint(theirs)


def levels_of(text: str) -> set[str]:
    return {level.strip().casefold() for level in text.split(",")} - {"", "none"}


def of_category(entries: list[BenchmarkTask], category: str) -> list[BenchmarkTask]:
    chosen = [entry for entry in entries if entry.category == category]
    if not chosen:
        known = ", ".join(sorted({entry.category for entry in entries}))
        raise SubmissionError({"category": f"There is no category {category[:64]!r}: {known}."})
    return chosen


def _stood(as_of: datetime) -> QuerySet[Evaluation]:
    """What had a score by then, of public submissions, and was neither repeated nor withdrawn.

    What covers nothing of a task counts as a score of 0 there.

    What was withdrawn later still stands in it: a snapshot that is cited does not change.
    """
    # Of hidden sets times are told to the second, which boards of finer moments would give away.
    ended = Q(OPEN, finished_at__lte=as_of) | Q(finished_at__lte=as_of.replace(microsecond=0))
    # Submissions from before there was a date of publication have none.
    came = Q(submission__published_at__isnull=True, submission__created_at__lte=as_of)
    return Evaluation.objects.filter(
        HAS_SCORE,
        ended,
        came | Q(submission__published_at__lte=as_of),
        Q(submission__withdrawn_at__isnull=True) | Q(submission__withdrawn_at__gt=as_of),
        Q(superseded_by__isnull=True) | Q(superseded_by__queued_at__gt=as_of),
        submission__visibility=Visibility.PUBLIC,
        is_dry_run=False,
    )


def on_boards(user: User | AnonymousUser, as_of: datetime | None = None) -> QuerySet[Evaluation]:
    """Current evaluations of standing submissions, and of the reader's own private ones."""
    if as_of is not None:
        return _for_rows(_stood(as_of))
    shown = Q(submission__visibility=Visibility.PUBLIC)
    if not user.is_anonymous:
        shown |= potentials_of(user, "submission__potential__")
    return _for_rows(
        Evaluation.objects.filter(shown, is_current=True, submission__withdrawn_at__isnull=True)
    )


def _for_rows(evaluations: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    return (
        evaluations.select_related(
            "submission__potential__team", "submission__potential__owner", "worker"
        )
        .defer(*_BULKY)
        .order_by("queued_at", "pk")
    )


def _task_rows(
    task_version: TaskVersion,
    done: Sequence[Evaluation],
    replicates: Mapping[uuid.UUID, ranking.FloatArray],
    metrics: Mapping[uuid.UUID, dict[str, MetricScore]],
) -> list[TaskRow]:
    """Rank the rows of one hardware; those that are not ranked take no part in the ranks."""
    reasons = [why_not_ranked(e, task_version) for e in done]
    standings = ranking.standings(
        ranking.as_array([e.score for e in done]),
        ranking.table_of([replicates.get(e.pk, _NONE) for e in done]),
        np.array([not reason for reason in reasons], bool),
        [str(e.submission) for e in done],
    )
    return [
        TaskRow(
            entrant=entrant_of(e.submission),
            evaluation_id=e.pk,
            rank=int(standings.rank[i]) or None,
            rank_low=int(standings.rank_low[i]) or None,
            rank_high=int(standings.rank_high[i]) or None,
            score=e.score,
            low=e.score_low,
            high=e.score_high,
            coverage=e.coverage,
            n_failed=e.n_failed,
            n_systems=e.n_systems,
            wall_time_s=e.wall_time_s,
            why_not_ranked=reasons[i],
            metrics=metrics[e.pk],
            theory_mismatch=has_theory_mismatch(e.submission, task_version),
            hardware=e.hardware_key,
            tied_with_previous=bool(standings.is_tied[i]),
            worker=described(e),
        )
        for i, e in ((i, done[i]) for i in standings.order.tolist())
    ]


def categories_of(entries: Sequence[BenchmarkTask], weights: Mapping[str, float]) -> list[Category]:
    grouped: dict[str, list[BenchmarkTask]] = {}
    for entry in entries:
        grouped.setdefault(entry.category, []).append(entry)
    if unknown := sorted(set(weights) - set(grouped)):
        raise SubmissionError(
            {
                WEIGHT_PREFIX + name: f"There is no category {name[:64]!r}; there are "
                f"{', '.join(grouped) or 'none'}."
                for name in unknown
            }
        )
    categories = [
        Category(name=name, weight=weights.get(name, rows[0].category_weight), entries=rows)
        for name, rows in grouped.items()
    ]
    if categories and not any(
        c.weight > 0 and any(e.weight for e in c.entries) for c in categories
    ):
        raise SubmissionError("At least one category must have a weight above zero.")
    return categories
