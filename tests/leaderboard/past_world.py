"""A board with a past: things happen to it at times of its own, some days ago."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import VersionState
from leaderboard.services.evaluations.metric_replicates import packed
from tests.leaderboard import factories


@dataclass
class Past:
    """A board with two tasks that was published ten days ago, and its own clock since."""

    board: models.BenchmarkVersion
    tasks: list[models.TaskVersion]
    now: datetime

    def later(self, **span: float) -> datetime:
        self.now += timedelta(**(span or {"hours": 1}))
        return self.now

    def submit(self, potential: Any = None, **fields: Any) -> models.Submission:
        return factories.submission(potential, **{"published_at": self.later(), **fields})

    def ends(
        self, of: models.Submission, task: int, score: float, old: Any = None
    ) -> models.Evaluation:
        """Asked for now, ended an hour later; ``old`` is the evaluation that it repeats."""
        if old is not None:
            models.Evaluation.objects.filter(pk=old.pk).update(is_current=False)
        found = factories.evaluation(of, self.tasks[task], supersedes=old)
        rng = np.random.default_rng(int(1000 * score))
        replicates = np.clip(score + rng.normal(0, 0.05, 50), 0, 1).tolist()
        row = models.Evaluation.objects.filter(pk=found.pk)
        row.update(queued_at=self.later())
        row.update(
            state="succeeded", verdict="ok", score=score, coverage=1.0, finished_at=self.later(),
            score_low=min(replicates), score_high=max(replicates), replicates=packed(replicates),
        )  # fmt: skip
        return found

    def enters(self, score: float, potential: Any = None, **fields: Any) -> models.Submission:
        found = self.submit(potential, **fields)
        for task in range(len(self.tasks)):
            self.ends(found, task, score)
        return found

    def withdraw(self, submission: models.Submission) -> None:
        models.Submission.objects.filter(pk=submission.pk).update(withdrawn_at=self.later())


def make_past() -> Past:
    tasks = [factories.task_version() for _ in range(2)]
    published = timezone.now() - timedelta(days=10)
    return Past(board_of("board", 1, tasks, published), tasks, published)


def board_of(
    slug: str, number: int, tasks: list[models.TaskVersion], published_at: datetime
) -> models.BenchmarkVersion:
    benchmark, _ = models.Benchmark.objects.get_or_create(slug=slug, defaults={"name": slug})
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=number)
    for task in tasks:
        models.BenchmarkTask.objects.create(
            benchmark_version=version, task_version=task, category=task.task.slug
        )
    version.state, version.published_at = VersionState.PUBLISHED, published_at
    version.save()
    return version
