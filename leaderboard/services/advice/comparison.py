"""Two to six submissions side by side: what differs, and whether that is more than chance.

Differences are against the first submission, from paired bootstrap replicates. What was timed on
different hardware is not compared.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Q, Value
from django.db.models.functions import Concat

from evaluator.catalog import METRICS, Direction
from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard import ranking
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkTask, BenchmarkVersion, Evaluation, Submission, TaskVersion
from leaderboard.models.disclosure import seen_by
from leaderboard.services.boards import replicates as board_replicates
from leaderboard.services.boards.paired import Difference, combined, difference
from leaderboard.services.boards.rules import HAS_SCORE, metrics_of
from leaderboard.services.boards.skill_maps import Part, SkillRow, paired, skill_rows
from leaderboard.services.boards.types import MetricScore
from leaderboard.services.evaluations import metric_replicates

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MIN_COMPARED, MAX_COMPARED = 2, 6
_MAX_NAME = 200
_NONE, _ZEROS = np.zeros(0), np.zeros(1000)
_Replicates = Mapping[uuid.UUID, ranking.FloatArray]
_Metrics = Mapping[uuid.UUID, Mapping[str, MetricScore]]
_MetricReplicates = Mapping[tuple[uuid.UUID, str], ranking.FloatArray]


class NotFound(Exception):
    """There is none of this name, or none that this reader may see; which, is not told."""


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
class MetricCell:
    """One submission's value of a metric; all None where it has none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    #: Against the first submission, as for scores.
    against_first: Difference | None = None
    #: Of how good the two values are: above zero where this submission's is the better one.
    gain: Difference | None = None


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    key: str
    cells: list[MetricCell]


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
    """Who is the best on which elements of a task that is scored by skill."""

    task_version: TaskVersion
    #: Elements on whose systems all submissions are judged.
    parts: list[Part]
    #: Mean skill of each submission, by element.
    skills: list[list[float]]
    #: Elements on which each is better than all others by more than chance, with its skill there.
    won: list[list[tuple[str, float]]]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    submissions: list[Submission]
    #: Tasks on which at least two of them have a score.
    tasks: list[TaskComparison]
    #: Of the benchmark; the last one is the overall score. Empty without a benchmark.
    categories: list[CategoryComparison] = field(default_factory=list)
    wins: list[Wins] = field(default_factory=list)


def comparable_versions(user: User | AnonymousUser, most: int) -> list[tuple[str, str, str]]:
    """Slug, version and name of what stands and this reader may see; the newest of each first."""
    standing = Submission.objects.all().visible_to(user).filter(withdrawn_at__isnull=True)
    rows = standing.order_by("potential__name", "-created_at")
    return list(rows.values_list("potential__address", "version", "potential__name")[:most])


def find_submissions(names: Sequence[str], user: User | AnonymousUser) -> list[Submission]:
    """Each once, by "slug" (the newest version), by "slug:version", or as they are written. One
    query.

    Raises SubmissionError for too many names and for one that means several potentials, and
    NotFound for one that there is not, or that is not for this reader's eyes.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(wanted) > MAX_COMPARED:
        raise SubmissionError(f"At most {MAX_COMPARED} potentials can be compared at once.")
    for name in wanted:
        if len(name) > _MAX_NAME or "\x00" in name:
            raise NotFound(name[:_MAX_NAME].replace("\x00", ""))
    slugs = {name.partition(":")[0] for name in wanted}
    submissions = list(
        Submission.objects.all()
        .visible_to(user)
        .filter(withdrawn_at__isnull=True)
        .annotate(title=Concat("potential__name", Value(" "), "version"))
        .filter(
            Q(potential__slug__in=slugs)
            | Q(potential__address__in=slugs)
            | Q(potential__name__in=wanted)
            | Q(title__in=wanted)
        )
        .select_related("potential")
        .order_by("-created_at", "pk")
    )
    return list(dict.fromkeys(_named(name, submissions) for name in wanted))


def _named(name: str, submissions: Sequence[Submission]) -> Submission:
    """Submissions of that name, the newest first.

    Addresses come before slugs, which somebody else's public potential may hold by now, and
    these before names, which several potentials may have.
    """
    for naming in ("address", "slug"):
        for submission in submissions:
            slug = getattr(submission.potential, naming)
            if name in {slug, f"{slug}:{submission.version}"}:
                return submission
    called = [s for s in submissions if name in {s.potential.name, str(s)}]
    addresses = sorted({s.potential.address for s in called})
    if len(addresses) > 1:
        choices = ", ".join(addresses[:5])
        raise SubmissionError(f"Several are called {name!r}: write one of {choices}.")
    if not called:
        raise NotFound(name)
    return called[0]


def compare(submissions: Sequence[Submission], version: BenchmarkVersion | None) -> Comparison:
    """Compare submissions that the reader may see; eight queries."""
    evaluations = _evaluations(submissions)
    keys = [e.pk for row in evaluations for e in row.values()]
    replicates = board_replicates.of_evaluations(keys)
    metrics = metrics_of(keys)
    of_metrics = metric_replicates.of_evaluations(keys)
    tasks = [
        _compare_task(
            task_version,
            [by_task.get(task_version.pk) for by_task in evaluations],
            replicates,
            metrics,
            of_metrics,
        )
        for task_version in _common_tasks(evaluations)
    ]
    return Comparison(
        submissions=list(submissions),
        tasks=tasks,
        categories=_categories(evaluations, _not_covered(submissions), version, replicates),
        wins=_wins(evaluations),
    )


def _evaluations(submissions: Sequence[Submission]) -> list[dict[int, Evaluation]]:
    """Evaluations of each submission, by primary key of the task version."""
    by_submission: dict[uuid.UUID, dict[int, Evaluation]] = {s.pk: {} for s in submissions}
    for evaluation in (
        Evaluation.objects.filter(
            submission__in=list(by_submission), is_current=True, state=EvaluationState.SUCCEEDED
        )
        .exclude(task_version__state=VersionState.DRAFT)
        .select_related("task_version__task", "task_version__reference_set")
        .defer("stdout", "stderr", "summary", "provenance", "consistency", "replicates")
    ):
        # The comparison is the same for whoever reads it.
        by_submission[evaluation.submission_id][evaluation.task_version_id] = seen_by(
            None, evaluation
        )
    return [by_submission[s.pk] for s in submissions]


def _not_covered(submissions: Sequence[Submission]) -> list[set[int]]:
    """Task versions on which each covers nothing, which counts as a score of 0. One query."""
    rows = Evaluation.objects.filter(
        HAS_SCORE, submission__in=submissions, is_current=True, state=EvaluationState.FAILED
    ).select_related("task_version")
    by_submission: dict[uuid.UUID, set[int]] = {s.pk: set() for s in submissions}
    for evaluation in rows.only(
        "submission_id", "task_version__metrics", "task_version__min_coverage"
    ):
        if evaluation.task_version.counts_what_is_not_covered:
            by_submission[evaluation.submission_id].add(evaluation.task_version_id)
    return [by_submission[s.pk] for s in submissions]


def _common_tasks(evaluations: Sequence[Mapping[int, Evaluation]]) -> list[TaskVersion]:
    """Tasks in the order of their names, versions from the newest.

    The smoke task, which judges none, comes last.
    """
    versions = {e.task_version_id: e.task_version for row in evaluations for e in row.values()}
    common = [v for pk, v in versions.items() if sum(pk in row for row in evaluations) > 1]
    return sorted(
        common,
        key=lambda v: (v.task.slug == SMOKE_TASK, v.task.name.casefold(), v.task_id, -v.number),
    )


def _compare_task(
    task_version: TaskVersion,
    evaluations: Sequence[Evaluation | None],
    replicates: _Replicates,
    metrics: _Metrics,
    of_metrics: _MetricReplicates,
) -> TaskComparison:
    cells = [_task_cell(evaluations[0], e, replicates) for e in evaluations]
    return TaskComparison(
        task_version=task_version,
        cells=_with_best(cells, evaluations),
        metrics=[
            MetricRow(
                key=key,
                cells=[
                    _metric_cell(key, evaluations[0], e, metrics, of_metrics) for e in evaluations
                ],
            )
            for key in task_version.catalog_protocol.metrics
            if any(e and key in metrics[e.pk] for e in evaluations)
        ],
    )


def _task_cell(
    first: Evaluation | None, own: Evaluation | None, replicates: _Replicates
) -> ScoreCell:
    if own is None:
        return ScoreCell(why_not="Not evaluated on this task.")
    gap, why_not = None, ""
    if first is not None and own is not first:
        if first.hardware_key != own.hardware_key:
            why_not = f"Timed on {own.hardware_key or 'unknown hardware'}: not comparable."
        elif unreliable := own.why_unreliable or first.why_unreliable:
            why_not = f"{unreliable} Not comparable."
        else:
            # One system alone cannot tell how much systems differ: it has no interval.
            is_told = own.score_low is not None and first.score_low is not None
            rows = (replicates.get(e.pk, _NONE) if is_told else _NONE for e in (own, first))
            gap = difference(own.score, first.score, *rows)
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
    """Marks the highest scores; none where hardware differs, times are unreliable, or all equal."""
    known = [e for e in evaluations if e is not None]
    if len({e.hardware_key for e in known}) > 1 or any(e.why_unreliable for e in known):
        return list(cells)
    scores = [c.score for c in cells if c.score is not None]
    if len(set(scores)) < 2:
        return list(cells)
    return [ScoreCell(**{**vars(c), "is_best": c.score == max(scores)}) for c in cells]


def _are_comparable(first: Evaluation, own: Evaluation) -> bool:
    is_reliable = not (first.why_unreliable or own.why_unreliable)
    return is_reliable and own.hardware_key == first.hardware_key


def _metric_cell(
    key: str,
    first: Evaluation | None,
    own: Evaluation | None,
    metrics: _Metrics,
    replicates: _MetricReplicates,
) -> MetricCell:
    score = metrics[own.pk].get(key) if own else None
    if own is None or score is None:
        return MetricCell()
    gap = gain = None
    of_first = metrics[first.pk].get(key) if first else None
    if first and of_first and own is not first and _are_comparable(first, own):
        is_alike = _are_of_the_same_systems(own.task_version, score, of_first)
        rows = [replicates.get((e.pk, key), _NONE) if is_alike else _NONE for e in (own, first)]
        gap = difference(score.value, of_first.value, *rows)
        gain = _gain(METRICS[key].direction, gap, (score.value, of_first.value), rows)
    return MetricCell(
        value=score.value, low=score.low, high=score.high, against_first=gap, gain=gain
    )


def _are_of_the_same_systems(version: TaskVersion, own: MetricScore, first: MetricScore) -> bool:
    """Whether two values are judged like with like.

    Where a task is scored by skill a value is that of the answered systems alone: who fails on the
    hard ones has the smaller error. By anchors who fails is charged for it.
    """
    all_answered = own.n == first.n and own.n_failed == first.n_failed == 0
    return all_answered or not version.is_scored_by_skill


def _gain(
    direction: Direction,
    gap: Difference | None,
    values: Sequence[float | None],
    replicates: Sequence[ranking.FloatArray],
) -> Difference | None:
    """Compare two values; where one is best at one, the nearer is better."""
    if gap is None or direction is Direction.HIGHER:
        return gap
    if direction is Direction.LOWER:
        return -gap
    own, first = (None if v is None else -abs(v - 1) for v in values)
    return difference(own, first, *(-np.abs(row - 1) for row in replicates))


def _categories(
    evaluations: Sequence[Mapping[int, Evaluation]],
    not_covered: Sequence[Set[int]],
    version: BenchmarkVersion | None,
    replicates: _Replicates,
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
            cells=_weighted(evaluations, not_covered,
                            [ranking.Weighted(name, e.weight, 1.0) for e in members],
                            members, replicates),
        )
        for name, members in grouped.items()
        if any(e.weight > 0 for e in members)
    ]  # fmt: skip
    tasks = [ranking.Weighted(e.category, e.weight, e.category_weight) for e in entries]
    if any(t.weight > 0 and t.category_weight > 0 for t in tasks):
        overall = _weighted(evaluations, not_covered, tasks, entries, replicates)
        rows.append(CategoryComparison(name="Overall", weight=0.0, cells=overall))
    return rows


def _weighted(
    evaluations: Sequence[Mapping[int, Evaluation]],
    not_covered: Sequence[Set[int]],
    tasks: Sequence[ranking.Weighted],
    entries: Sequence[BenchmarkTask],
    stored: _Replicates,
) -> list[ScoreCell]:
    keys = [e.task_version_id for e in entries]
    shares = dict(zip(keys, ranking.shares_of(tasks), strict=True))
    scores, replicates, hardware = [], [], []
    for row, nothing in zip(evaluations, not_covered, strict=True):
        values = [row[k].score if k in row else 0.0 if k in nothing else None for k in keys]
        scores.append(ranking.overall_score(values, tasks))
        # Where each task was judged on one system alone, nothing was drawn: there is no interval.
        is_told = any(row[k].score_low is not None for k in keys if k in row and shares[k])
        given = {k: stored.get(row[k].pk, _NONE) if k in row and is_told else _NONE for k in keys}
        given |= dict.fromkeys(nothing & given.keys(), _ZEROS)
        replicates.append(combined(given, shares))
        hardware.append({row[k].hardware_key for k in keys if k in row and shares[k]} - {""})
    cells = []
    for i, score in enumerate(scores):
        low, high = ranking.interval(replicates[i]) if score is not None else (None, None)
        is_same = hardware[i] == hardware[0]
        gap = difference(score, scores[0], replicates[i], replicates[0]) if i and is_same else None
        why_not = "" if is_same else "Timed on other hardware: not comparable."
        cells.append(ScoreCell(score=score, low=low, high=high, against_first=gap, why_not=why_not))
    return _with_best(cells) if all(h == hardware[0] for h in hardware) else cells


def _wins(evaluations: Sequence[Mapping[int, Evaluation]]) -> list[Wins]:
    """Of tasks on which all have skills, in the order of their names; those that somebody wins."""
    common = [v for v in _common_tasks(evaluations) if all(v.pk in row for row in evaluations)]
    rows = skill_rows(row[version.pk].pk for version in common for row in evaluations)
    tasks = []
    for version in common:
        keys = [row[version.pk].pk for row in evaluations]
        if all(key in rows for key in keys):
            tasks.append(_wins_of_task(version, [(key, rows[key]) for key in keys]))
    return [task for task in tasks if task is not None and any(task.won)]


def _wins_of_task(version: TaskVersion, rows: Sequence[tuple[uuid.UUID, SkillRow]]) -> Wins | None:
    both = paired(rows)
    if both is None:
        return None
    won: list[list[tuple[str, float]]] = [[] for _ in rows]
    for j, part in enumerate(both.parts):
        best = int(np.argmax(both.skills[:, j]))
        others = np.delete(both.drawn[:, j], best, axis=0)
        # Better than each of the others, draw by draw: the interval of the difference is above 0.
        low = np.quantile(both.drawn[best, j] - others, ranking.INTERVAL[0], axis=1)
        if (low > 0).all():
            won[best].append((part.name, float(both.skills[best, j])))
    return Wins(task_version=version, parts=both.parts, skills=both.skills.T.tolist(), won=won)
