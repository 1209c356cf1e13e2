"""What a ranking tells apart, and how often its first stays first."""

from __future__ import annotations

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser

from leaderboard import models
from leaderboard.lib import memory
from leaderboard.services.boards import resolution
from leaderboard.services.boards.chemistry import read_chemistry
from leaderboard.services.boards.chemistry_board import chemistry_board
from leaderboard.services.boards.resolution import Resolution
from leaderboard.services.boards.store import current_board
from leaderboard.services.boards.task_reader import task_view
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
N = 40
SYSTEMS = ["Cu"] * N
CLUSTERS = [f"c{i}" for i in range(N)]


@pytest.fixture(autouse=True)
def forgetful() -> None:
    memory.forget()


def task(**fields: object) -> models.TaskVersion:
    return factories.task_version(metrics=factories.SKILL_METRICS, **fields)


def judged(version: models.TaskVersion, *rows: np.ndarray) -> None:
    for skills in rows:
        factories.evaluation_with_skills(
            factories.submission(), version, skills.tolist(), SYSTEMS[: len(skills)],
            CLUSTERS[: len(skills)],
        )  # fmt: skip


def of(version: models.TaskVersion) -> Resolution | None:
    return resolution.of_task(task_view(version, AnonymousUser()))


def test_a_task_with_clear_differences_tells_all_apart() -> None:
    version = task()
    hard = np.random.default_rng(1).uniform(0, 0.1, N)
    judged(version, 0.9 - hard, 0.6 - hard, 0.3 - hard)
    found = of(version)
    assert found == Resolution(n_pairs=2, n_told_apart=2, stays_first=1.0)
    assert found.tells_neighbours_apart and found.tells_the_first


def test_a_task_of_chance_says_that_it_separates_nobody() -> None:
    version = task()
    generator = np.random.default_rng(2)
    judged(version, *(generator.permutation(np.linspace(0, 1, N)) for _ in range(6)))
    found = of(version)
    assert found is not None and found.stays_first is not None
    assert (found.n_pairs, found.n_told_apart) == (5, 0)
    # All have the same mean, so that the first of six is first in about one half of six.
    assert found.stays_first < 0.5
    assert not found.tells_neighbours_apart
    assert found.tells_the_first is False


def test_too_few_clusters_or_rows_are_not_halved() -> None:
    few, alone, anchored = task(), task(), factories.task_version()
    judged(few, np.full(3, 0.9), np.full(3, 0.1))
    judged(alone, np.full(N, 0.9))
    for score in (0.1, 0.9):
        factories.evaluation(factories.submission(), anchored, score=score, replicates=[score] * 9)
    found = of(few)
    assert found is not None
    assert (found.n_pairs, found.stays_first, found.tells_the_first) == (1, None, None)
    assert of(alone) is None
    assert of(anchored) is None


def test_hidden_sets_are_never_halved() -> None:
    version = task(reference_set=factories.reference_set(is_public=False))
    judged(version, np.full(N, 0.9), np.full(N, 0.1))
    found = of(version)
    assert found is not None and found.stays_first is None
    board = factories.benchmark_version((version, "A"))
    whole = current_board(board).resolution
    assert whole is not None and (whole.stays_first, whole.n_halved) == (None, 0)


def test_a_board_counts_what_cannot_be_halved_whole() -> None:
    version, anchored = task(), factories.task_version()
    hard = np.random.default_rng(3).uniform(0, 0.1, N)
    submissions = [factories.submission(), factories.submission()]
    for submission, skill in zip(submissions, (0.9, 0.5), strict=True):
        factories.evaluation_with_skills(
            submission, version, (skill - hard).tolist(), SYSTEMS, CLUSTERS
        )
        factories.evaluation(
            submission, anchored, score=0.5, score_low=0.4, score_high=0.6, replicates=[0.5] * 200
        )
    benchmark = factories.benchmark_version((version, "A"), (anchored, "B"))
    board = current_board(benchmark)
    expected = Resolution(n_pairs=1, n_told_apart=1, stays_first=1.0, n_halved=1, n_tasks=2)
    assert board.resolution == expected
    memory.forget()
    assert current_board(benchmark).resolution == expected  # as it was stored
    part = chemistry_board(board, read_chemistry("metals"))
    assert part.resolution == Resolution(n_pairs=1, n_told_apart=1, stays_first=1.0)


def test_neighbours_without_an_interval_are_no_pair() -> None:
    version, anchored = task(), factories.task_version()
    submissions = [factories.submission() for _ in range(3)]
    for n, submission in enumerate(submissions):
        factories.evaluation_with_skills(
            submission, version, [0.9 - 0.3 * n] * N, SYSTEMS, CLUSTERS
        )
        # The middle one has no replicates there, so that its overall score has none.
        draws = {} if n == 1 else {"replicates": [0.5] * 200}
        factories.evaluation(submission, anchored, score=0.5, **draws)
    board = current_board(factories.benchmark_version((version, "A"), (anchored, "B")))
    assert board.resolution is None
