"""When the ranking of a board may have changed: read from evaluations and submissions.

A score never changes, so the ranking only does when a public submission becomes whole on the board
(it has a score on every task that counts), ceases to be, or becomes whole by other scores.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from leaderboard.enums import EvaluationState, Visibility
from leaderboard.lib.moments import next_second
from leaderboard.models import BenchmarkVersion, Evaluation
from leaderboard.models.disclosure import is_hidden
from leaderboard.services.boards.rules import HAS_SCORE, categories_of, shares_of


class Whole(NamedTuple):
    """From when to when a submission had all the scores that count; no end where it still has."""

    submission: uuid.UUID
    start: datetime
    end: datetime | None
    #: Whether that was its end; else one of its tasks was evaluated anew.
    is_withdrawn: bool


@dataclass(frozen=True)
class Moments:
    """When the ranking of a board may have changed since its publication, and by whom."""

    published_at: datetime
    wholes: Sequence[Whole]
    #: Task versions that count and whose set is hidden: their scores are rounded on the board.
    hidden: Sequence[int] = ()

    @property
    def times(self) -> list[datetime]:
        """In order, the publication first."""
        starts = {whole.start for whole in self.wholes}
        return sorted({self.published_at, *starts, *self.ends})

    @property
    def ends(self) -> set[datetime]:
        return {whole.end for whole in self.wholes if whole.end is not None}

    def standing(self, at: datetime) -> set[uuid.UUID]:
        """Who had all scores then."""
        return {
            whole.submission
            for whole in self.wholes
            if whole.start <= at and (whole.end is None or at < whole.end)
        }

    def withdrawn(self, at: datetime) -> set[uuid.UUID]:
        """At this very moment."""
        return {w.submission for w in self.wholes if w.is_withdrawn and w.end == at}

    def digest(self, through: datetime) -> str:
        """Digest all that happened until then, and what makes the scores other than they were."""
        turns = [(whole.start, "came", whole.submission) for whole in self.wholes]
        turns += [(w.end, "went", w.submission) for w in self.wholes if w.end is not None]
        known = sorted(f"{at.isoformat()} {what} {who}" for at, what, who in turns if at <= through)
        known += [f"hidden {task}" for task in sorted(self.hidden)]
        return hashlib.sha256("\n".join(known).encode()).hexdigest()


def moments_of(version: BenchmarkVersion) -> Moments:
    """All that are known. What stood when the board was published came with it."""
    published = version.published_at
    assert published is not None, version  # noqa: S101  (a constraint of the table)
    entries = list(version.entries.select_related("task_version__reference_set"))
    shares = shares_of(entries, categories_of(entries, {}))
    counted = [task for task, share in shares.items() if share > 0]
    spans: dict[uuid.UUID, list[_Span]] = defaultdict(list)
    hidden = [
        entry.task_version_id
        for entry in entries
        if entry.task_version_id in counted and is_hidden(entry.task_version)
    ]
    with_zeros = [
        entry.task_version_id for entry in entries if entry.task_version.counts_what_is_not_covered
    ]
    for span in _spans(counted, hidden, with_zeros):
        spans[span.submission].append(span)
    wholes = (whole for those in spans.values() for whole in _wholes(those, len(counted)))
    return Moments(
        published,
        [
            whole._replace(start=max(whole.start, published))
            for whole in wholes
            if whole.end is None or whole.end > published
        ],
        hidden,
    )


class _Span(NamedTuple):
    """From when to when a public submission had a score on one task."""

    submission: uuid.UUID
    start: datetime
    end: datetime | None
    withdrawn_at: datetime | None


def _spans(
    task_versions: Sequence[int], hidden: Collection[int], with_zeros: Collection[int]
) -> Iterator[_Span]:
    """By the same rules as a board of the past: see ``rules.py``."""
    rows = Evaluation.objects.filter(
        HAS_SCORE,
        Q(state=EvaluationState.SUCCEEDED) | Q(task_version__in=with_zeros),
        task_version__in=task_versions,
        is_dry_run=False,
        submission__visibility=Visibility.PUBLIC,
    ).values_list(
        "submission",
        "task_version",
        "finished_at",
        "superseded_by__queued_at",
        "submission__published_at",
        "submission__created_at",
        "submission__withdrawn_at",
    )
    for submission, task, finished, repeated, published, created, withdrawn in rows.order_by():
        assert finished is not None, submission  # noqa: S101  (a constraint of the table)
        ended = next_second(finished) if task in hidden else finished
        start = max(ended, published or created)
        end = min((at for at in (repeated, withdrawn) if at is not None), default=None)
        if end is None or start < end:
            yield _Span(submission, start, end, withdrawn)


def _wholes(spans: Sequence[_Span], n_tasks: int) -> Iterator[Whole]:
    """Join spans of one submission. Where a score takes the place of another, a new one begins."""
    turns: dict[datetime, int] = defaultdict(int)
    for span in spans:
        turns[span.start] += 1
        if span.end is not None:
            turns[span.end] -= 1
    first = spans[0]
    start: datetime | None = None
    n = 0
    for at in sorted(turns):
        n += turns[at]
        if start is not None:
            yield Whole(first.submission, start, at, at == first.withdrawn_at)
        start = at if n == n_tasks else None
    if start is not None:
        yield Whole(first.submission, start, None, False)
