"""Two to six submissions side by side: what differs, and whether that is more than chance.

Differences are against the first submission, from paired bootstrap replicates. What was timed on
different hardware is not compared.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leaderboard import ranking
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkTask, BenchmarkVersion, Evaluation, Submission, TaskVersion
from leaderboard.services.element_errors import QUANTITIES, ElementError, element_errors
from leaderboard.services.paired import Difference, combined, difference

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MIN_COMPARED, MAX_COMPARED = 2, 6
_MAX_NAME = 200


class NotFound(Exception):
    """There is no such submission that this reader may see; which of the two is not told."""


@dataclass(frozen=True, kw_only=True)
class ScoreCell:
    """One submission's score of a task, a category or the whole."""

    score: float | None = None
    low: float | None = None
    high: float | None = None
    evaluation: Evaluation | None = None
    #: Against the first submission; None for itself, and where one of them has no score.
    against_first: Difference | None = None
    #: Why nothing is compared, a sentence; empty where it is.
    why_not: str = ""
    is_best: bool = False


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    key: str
    #: Value with interval for each submission; None where it has none.
    scores: list[tuple[float | None, float | None, float | None]]


@dataclass(frozen=True, kw_only=True)
class TaskComparison:
    task_version: TaskVersion
    cells: list[ScoreCell]
    metrics: list[MetricRow]


@dataclass(frozen=True, kw_only=True)
class CategoryComparison:
    name: str
    #: Of the overall score; 0 for the overall score itself.
    weight: float
    cells: list[ScoreCell]


@dataclass(frozen=True, kw_only=True)
class Wins:
    """On the elements that all submissions have an error for."""

    task_slug: str
    task_name: str
    words: str
    unit: str
    #: Elements where each submission's error is the smallest, with that error.
    won: list[list[tuple[str, float]]]
    #: Element -> the error of each submission.
    errors: dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    submissions: list[Submission]
    #: Tasks on which at least two of them have a score.
    tasks: list[TaskComparison]
    #: Of the benchmark; the last one is the overall score. Empty without a benchmark.
    categories: list[CategoryComparison] = field(default_factory=list)
    wins: list[Wins] = field(default_factory=list)


def find_submissions(names: Sequence[str], user: User | AnonymousUser) -> list[Submission]:
    """Submissions by "slug" (the newest version) or "slug:version", each once. One query.

    Raises SubmissionError for too many names, and NotFound for one that there is not, or that is
    not for this reader's eyes.
    """
    wanted = list(dict.fromkeys(name for name in names if name))
    if len(wanted) > MAX_COMPARED:
        raise SubmissionError(f"At most {MAX_COMPARED} potentials can be compared at once.")
    if any(len(name) > _MAX_NAME or "\x00" in name for name in wanted):
        raise NotFound
    slugs = {name.partition(":")[0] for name in wanted}
    by_name: dict[str, Submission] = {}
    visible = Submission.objects.all().visible_to(user).filter(withdrawn_at__isnull=True)
    for submission in (
        visible.filter(potential__slug__in=slugs)
        .select_related("potential")
        .order_by("-created_at", "pk")
    ):
        slug = submission.potential.slug
        by_name.setdefault(slug, submission)
        by_name[f"{slug}:{submission.version}"] = submission
    if any(name not in by_name for name in wanted):
        raise NotFound
    return list(dict.fromkeys(by_name[name] for name in wanted))


def compare(submissions: Sequence[Submission], version: BenchmarkVersion | None) -> Comparison:
    """Compare submissions that the reader may see; four queries and those of element_errors."""
    found = _evaluations(submissions)
    tasks = [
        _compare_task(task_version, [by_task.get(task_version.pk) for by_task in found])
        for task_version in _common_tasks(found)
    ]
    return Comparison(
        submissions=list(submissions),
        tasks=tasks,
        categories=_categories(found, version),
        wins=_wins(submissions, found),
    )


def _evaluations(submissions: Sequence[Submission]) -> list[dict[int, Evaluation]]:
    """Of each submission, by primary key of the task version."""
    found: dict[uuid.UUID, dict[int, Evaluation]] = {s.pk: {} for s in submissions}
    for evaluation in (
        Evaluation.objects.filter(
            submission__in=list(found), is_current=True, state=EvaluationState.SUCCEEDED
        )
        .exclude(task_version__state=VersionState.DRAFT)
        .select_related("task_version__task", "task_version__reference_set")
        .prefetch_related("scores")
        .defer("stdout", "stderr", "summary", "provenance", "consistency")
    ):
        found[evaluation.submission_id][evaluation.task_version_id] = evaluation
    return [found[s.pk] for s in submissions]


def _common_tasks(found: Sequence[Mapping[int, Evaluation]]) -> list[TaskVersion]:
    """In the order of their names, versions from the newest."""
    versions = {e.task_version_id: e.task_version for row in found for e in row.values()}
    common = [v for pk, v in versions.items() if sum(pk in row for row in found) > 1]
    return sorted(common, key=lambda v: (v.task.name.casefold(), v.task_id, -v.number))


def _compare_task(
    task_version: TaskVersion, evaluations: Sequence[Evaluation | None]
) -> TaskComparison:
    return TaskComparison(
        task_version=task_version,
        cells=_with_best([_task_cell(evaluations[0], e) for e in evaluations], evaluations),
        metrics=_metric_rows(task_version, evaluations),
    )


def _task_cell(first: Evaluation | None, own: Evaluation | None) -> ScoreCell:
    if own is None:
        return ScoreCell(why_not="Not evaluated on this task.")
    gap, why_not = None, ""
    if first is not None and own is not first:
        if first.hardware_key != own.hardware_key:
            why_not = f"Timed on {own.hardware_key or 'unknown hardware'}: not comparable."
        else:
            gap = difference(own.score, first.score, own.replicates, first.replicates)
    return ScoreCell(
        score=own.score,
        low=own.score_low,
        high=own.score_high,
        evaluation=own,
        against_first=gap,
        why_not=why_not,
    )


def _with_best(
    cells: Sequence[ScoreCell], evaluations: Sequence[Evaluation | None] = ()
) -> list[ScoreCell]:
    """Marks the highest scores; none where hardware differs, or all are equal."""
    if len({e.hardware_key for e in evaluations if e is not None}) > 1:
        return list(cells)
    scores = [c.score for c in cells if c.score is not None]
    if len(set(scores)) < 2:
        return list(cells)
    return [ScoreCell(**{**vars(c), "is_best": c.score == max(scores)}) for c in cells]


def _metric_rows(
    task_version: TaskVersion, evaluations: Sequence[Evaluation | None]
) -> list[MetricRow]:
    found = [{s.metric: s for s in e.scores.all()} if e else {} for e in evaluations]
    keys = [k for k in task_version.catalog_protocol.metrics if any(k in row for row in found)]
    return [
        MetricRow(
            key=key,
            scores=[
                (s.value, s.low, s.high) if (s := row.get(key)) else (None, None, None)
                for row in found
            ],
        )
        for key in keys
    ]


def _categories(
    found: Sequence[Mapping[int, Evaluation]], version: BenchmarkVersion | None
) -> list[CategoryComparison]:
    """The benchmark's own weights; a category is judged where all its tasks that count are."""
    entries = list(version.entries.select_related("task_version__task")) if version else []
    grouped: dict[str, list[BenchmarkTask]] = {}
    for entry in entries:
        grouped.setdefault(entry.category, []).append(entry)
    rows = [
        CategoryComparison(
            name=name,
            weight=members[0].category_weight,
            cells=_weighted(found, [ranking.Weighted(name, e.weight, 1.0) for e in members],
                            members),
        )
        for name, members in grouped.items()
        if any(e.weight > 0 for e in members)
    ]  # fmt: skip
    tasks = [ranking.Weighted(e.category, e.weight, e.category_weight) for e in entries]
    if any(t.weight > 0 and t.category_weight > 0 for t in tasks):
        overall = _weighted(found, tasks, entries)
        rows.append(CategoryComparison(name="Overall", weight=0.0, cells=overall))
    return rows


def _weighted(
    found: Sequence[Mapping[int, Evaluation]],
    tasks: Sequence[ranking.Weighted],
    entries: Sequence[BenchmarkTask],
) -> list[ScoreCell]:
    keys = [e.task_version_id for e in entries]
    shares = dict(zip(keys, ranking.shares_of(tasks), strict=True))
    scores, replicates, hardware = [], [], []
    for row in found:
        values = [row[k].score if k in row else None for k in keys]
        scores.append(ranking.overall_score(values, tasks))
        stored = {k: row[k].replicates if k in row else [] for k in keys}
        replicates.append(combined(stored, shares))
        hardware.append({row[k].hardware_key for k in keys if k in row and shares[k]} - {""})
    cells = []
    for i, score in enumerate(scores):
        low, high = ranking.interval(replicates[i]) if score is not None else (None, None)
        is_same = hardware[i] == hardware[0]
        gap = difference(score, scores[0], replicates[i], replicates[0]) if i and is_same else None
        why_not = "" if is_same else "Timed on other hardware: not comparable."
        cells.append(ScoreCell(score=score, low=low, high=high, against_first=gap, why_not=why_not))
    return _with_best(cells) if all(h == hardware[0] for h in hardware) else cells


def _wins(
    submissions: Sequence[Submission], found: Sequence[Mapping[int, Evaluation]]
) -> list[Wins]:
    """By task version, in the order of the tasks."""
    place = {e.pk: i for i, row in enumerate(found) for e in row.values()}
    versions = {e.pk: e.task_version_id for row in found for e in row.values()}
    grouped: dict[int, list[ElementError]] = {}
    for error in element_errors(place):
        grouped.setdefault(versions[error.evaluation], []).append(error)
    return [
        wins
        for errors in grouped.values()
        if (wins := _wins_of_task(errors, place, len(submissions))).errors
    ]


def _wins_of_task(
    errors: Sequence[ElementError], place: Mapping[uuid.UUID, int], n_submissions: int
) -> Wins:
    table: dict[str, dict[int, float]] = {}
    for error in errors:
        table.setdefault(error.element, {})[place[error.evaluation]] = error.value
    whole = {
        element: [row[i] for i in range(n_submissions)]
        for element, row in table.items()
        if len(row) == n_submissions
    }
    won: list[list[tuple[str, float]]] = [[] for _ in range(n_submissions)]
    for element, values in whole.items():
        won[values.index(min(values))].append((element, min(values)))
    words, unit = QUANTITIES[errors[0].protocol]
    return Wins(
        task_slug=errors[0].task_slug,
        task_name=errors[0].task_name,
        words=words,
        unit=unit,
        won=won,
        errors=whole,
    )
