"""A stored board is the board, and never an old one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.lib import memory
from leaderboard.services.boards import stamps
from leaderboard.services.boards.store import (
    StoredBoard,
    current_board,
    past_board,
    private_board,
    ranking_of,
)
from tests.leaderboard import factories
from tests.leaderboard.gallery import Site, build_site

pytestmark = pytest.mark.django_db
ANYBODY = AnonymousUser()


@pytest.fixture(autouse=True)
def new_process() -> None:
    memory.forget()


def standing(board: StoredBoard, weights: dict[str, float] | None = None) -> list[tuple[Any, ...]]:
    found = ranking_of(board, weights or {})
    return [
        (
            board.matrix.names[i],
            found.rank[i] or None,
            found.rank_low[i] or None,
            found.rank_high[i] or None,
            pytest.approx(found.overall[i], nan_ok=True),
            bool(found.is_tied[i]),
            found.reasons[i],
        )
        for i in found.order.tolist()
    ]


def computed_anew(version: models.BenchmarkVersion) -> StoredBoard:
    """Return the board as a service finds it that has stored none."""
    models.Snapshot.objects.all().delete()
    memory.forget()
    return current_board(version)


@pytest.mark.slow
@pytest.mark.parametrize("weights", [{}, {"Forces": 3.0}, {"Elasticity": 0.0}])
def test_a_board_that_another_process_stored_is_the_computed_one(weights: Any) -> None:
    site = build_site()
    computed = standing(current_board(site.benchmark), weights)
    memory.forget()
    stored = current_board(site.benchmark)
    assert stored.replicates is None  # unpacked, not computed
    assert standing(stored, weights) == computed


def test_other_weights_are_ranked_from_the_replicates_that_were_stored(
    django_assert_num_queries: Any,
) -> None:
    site = build_site()
    current_board(site.benchmark)
    memory.forget()
    board = current_board(site.benchmark)
    with django_assert_num_queries(1):
        ranking_of(board, {"Forces": 3.0})
    with django_assert_num_queries(0):
        ranking_of(board, {"Forces": 3.0})
        assert ranking_of(board, {"Forces": 1.0}) is board.own


def test_a_process_that_knows_the_board_asks_for_its_stamp_alone(
    django_assert_num_queries: Any,
) -> None:
    site = build_site()
    current_board(site.benchmark)
    with django_assert_num_queries(1):
        current_board(site.benchmark)
    memory.forget()
    with django_assert_num_queries(3):  # the stamp, the tasks, the stored board
        current_board(site.benchmark)


def ends(site: Site) -> None:
    site.forces.evaluations.filter(state="queued").update(
        state="succeeded", verdict="ok", score=0.5, coverage=1.0, finished_at=timezone.now()
    )


def is_withdrawn(site: Site) -> None:
    submission = site.submissions["chgnet:0.3.0"]
    submission.withdrawn_at = timezone.now()
    submission.save()


def is_renamed(site: Site) -> None:
    models.Potential.objects.filter(slug="chgnet").update(name="Renamed")


def is_superseded(site: Site) -> None:
    old = site.submissions["chgnet:0.3.0"].evaluations.get(task_version=site.eos)
    models.Evaluation.objects.filter(pk=old.pk).update(is_current=False)
    factories.evaluation(old.submission, site.eos, score=0.2, supersedes=old)


def is_submitted(site: Site) -> None:
    factories.evaluation(factories.submission(), site.eos)


@pytest.mark.slow
@pytest.mark.parametrize("change", [ends, is_withdrawn, is_renamed, is_superseded, is_submitted])
def test_what_changes_on_a_board_is_seen_at_once(change: Callable[[Site], None]) -> None:
    site = build_site()
    before = standing(current_board(site.benchmark))
    change(site)
    after = standing(current_board(site.benchmark))
    assert after != before
    assert after == standing(computed_anew(site.benchmark))


@pytest.mark.slow
def test_what_happens_on_other_tasks_leaves_a_board_alone() -> None:
    site = build_site()
    board = current_board(site.benchmark)
    factories.evaluation(score=0.5)
    running = site.eos.evaluations.filter(state="running")
    running.update(progress_done=40)
    assert current_board(site.benchmark) is board


def test_private_rows_are_never_stored_and_are_ranked_for_nobody() -> None:
    site = build_site()
    alice = factories.user("alice")
    secret = factories.submission(factories.potential(alice, name="Secret"), visibility="private")
    factories.evaluation(secret, site.eos, score=0.99, replicates=[0.98, 1.0])
    board = current_board(site.benchmark)
    assert "Secret" not in " ".join(board.matrix.names)
    for snapshot in models.Snapshot.objects.all():
        assert b"Secret" not in bytes(snapshot.content)

    own = private_board(board, alice)
    assert own is not None
    assert [entrant.name for entrant in own.entrants] == ["Secret"]
    assert own.own.rank.tolist() == [0]
    assert private_board(board, factories.user("bob")) is None
    assert private_board(board, ANYBODY) is None


@pytest.mark.slow
def test_a_past_board_is_told_as_it_stood() -> None:
    site = build_site()
    then = timezone.now()
    is_withdrawn(site)
    assert "CHGNet 0.3.0" not in current_board(site.benchmark).matrix.names
    past = past_board(site.benchmark, then)
    assert "CHGNet 0.3.0" in past.matrix.names
    assert past_board(site.benchmark, then) is past


@pytest.mark.slow
def test_one_category_alone_ranks_by_its_tasks() -> None:
    board = current_board(build_site().benchmark)
    found = ranking_of(board, {}, "Elasticity")
    best = board.matrix.names[found.order[0]]
    assert best == "CHGNet 0.3.0"
    assert found.overall[found.order[0]] == pytest.approx(0.72)
    with pytest.raises(SubmissionError, match="There is no category 'magic'"):
        ranking_of(board, {}, "magic")


@pytest.mark.slow
def test_a_change_that_is_numbered_early_and_committed_late_is_noticed() -> None:
    site = build_site()
    board = current_board(site.benchmark)
    last = models.BoardChange.objects.order_by("pk").last()
    assert last is not None
    models.BoardChange.objects.create(pk=-1, task_version=site.eos)  # below the highest number
    assert current_board(site.benchmark) is not board


def test_a_board_without_tasks_is_empty() -> None:
    board = current_board(factories.benchmark_version())
    assert (list(board.entrants), board.own.order.tolist()) == ([], [])


@pytest.mark.slow
def test_old_changes_are_forgotten_and_the_board_stays_right() -> None:
    site = build_site()
    before = standing(current_board(site.benchmark))
    models.BoardChange.objects.update(at=timezone.now() - timedelta(days=8))
    models.BoardChange.objects.create(task_version=None)
    n = models.BoardChange.objects.count()
    of = set(models.BoardChange.objects.values_list("task_version", flat=True))
    assert None in of
    assert stamps.forget_old_changes() == n - len(of)  # the last of each stays
    assert standing(current_board(site.benchmark)) == before


def test_no_stamp_returns_once_its_changes_are_forgotten() -> None:
    version = factories.benchmark_version()

    def stamp_of_a_quiet_week() -> str:
        models.BoardChange.objects.create(task_version=None)
        models.BoardChange.objects.update(at=timezone.now() - timedelta(days=8))
        stamps.forget_old_changes()
        return stamps.stamp_of_benchmark(version.pk)

    assert stamp_of_a_quiet_week() != stamp_of_a_quiet_week()
