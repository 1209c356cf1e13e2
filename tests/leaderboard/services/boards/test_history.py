"""The written history is what the boards of the past were, whatever happened in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leaderboard import models
from leaderboard.services.boards import store
from leaderboard.services.boards.history import (
    forget,
    record,
    record_all,
    standings_of,
)
from leaderboard.services.boards.matrix import Standing
from leaderboard.services.boards.potential_history import history_of, why, written
from leaderboard.services.boards.ranking_moments import moments_of
from tests.leaderboard import factories
from tests.leaderboard.past_world import Past, board_of, make_past

pytestmark = pytest.mark.django_db
ANYBODY = AnonymousUser()


@pytest.fixture
def past() -> Past:
    return make_past()


def told(board: models.BenchmarkVersion, at: datetime) -> dict[Any, Standing]:
    """How everybody stood at a moment, by the rows that were written."""
    found: dict[Any, Standing] = {}
    rows = models.StandingRecord.objects.filter(benchmark_version=board, since__lte=at)
    for row in rows.order_by("since"):
        found.pop(row.submission_id, None)
        if not row.has_left:
            assert row.overall is not None
            found[row.submission_id] = Standing(
                row.rank, row.rank_low, row.rank_high, row.overall, row.low, row.high
            )
    return found


def rows_of(submission: models.Submission) -> list[models.StandingRecord]:
    return list(models.StandingRecord.objects.filter(submission=submission).order_by("since"))


def happenings(past: Past, seed: int) -> Iterator[datetime]:
    """Things that happen to a board, in any order; yields the time after each."""
    rng = np.random.default_rng(seed)
    open_: list[tuple[models.Submission, int]] = []
    ended: list[models.Evaluation] = []
    for _ in range(40):
        what = rng.random()
        if what < 0.25 or not ended:
            hidden = {"visibility": "private", "published_at": None} if rng.random() < 0.3 else {}
            submission = past.submit(**hidden)
            open_ += [(submission, 0), (submission, 1)]
        if what < 0.75 and open_:
            submission, task = open_.pop(int(rng.integers(len(open_))))
            ended.append(past.ends(submission, task, round(float(rng.random()), 2)))
        elif what < 0.85:
            old = ended.pop(int(rng.integers(len(ended))))
            task = past.tasks.index(old.task_version)
            ended.append(past.ends(old.submission, task, round(float(rng.random()), 2), old))
        elif what < 0.92:
            past.withdraw(ended[int(rng.integers(len(ended)))].submission)
        else:
            private = models.Submission.objects.filter(visibility="private").first()
            if private is not None:
                models.Submission.objects.filter(pk=private.pk).update(
                    visibility="public", published_at=past.later()
                )
        yield past.now


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_history_is_the_board_of_every_moment(past: Past, seed: int) -> None:
    times = list(happenings(past, seed))
    n = record(past.board)
    assert n == len(moments_of(past.board).times)
    seen = 0
    for at in sorted({*times, *moments_of(past.board).times}):
        if at >= past.board.published_at:  # type: ignore[operator]
            board = standings_of(store.computed_board(past.board, as_of=at))
            assert told(past.board, at) == board
            seen += len(board)
    assert seen > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_is_the_same_written_bit_by_bit_or_at_once(past: Past, seed: int) -> None:
    names = [f.attname for f in models.StandingRecord._meta.concrete_fields if f.name != "id"]

    def whole() -> list[Any]:
        rows = models.StandingRecord.objects.order_by("since", "submission_id")
        return list(rows.values_list(*names))

    for n, _ in enumerate(happenings(past, seed)):
        if n % 7 == 0:
            record(past.board, at_most=2)
    while record(past.board, at_most=3):
        pass
    bit_by_bit = whole()
    assert len(bit_by_bit) > 10
    forget(past.board)
    record(past.board)
    assert whole() == bit_by_bit


def test_what_moved_a_potential_is_told(past: Past) -> None:
    first = past.enters(0.5)
    better = past.enters(0.9)
    best = past.enters(0.95)
    past.withdraw(best)
    repeated = past.ends(better, 0, 0.2, better.evaluations.get(task_version=past.tasks[0]))
    record(past.board)

    def words(submission: models.Submission) -> list[tuple[int | None, int | None, str]]:
        return [(row.rank_before, row.rank, why(row)) for row in rows_of(submission)]

    assert words(first) == [
        (None, 1, "entered"),
        (1, 2, "1 other came above it"),
        (2, 3, "1 other came above it"),
        (3, 2, "1 other above it left"),
        (2, 1, "1 other above it left"),
        (1, 2, "1 other came above it"),
    ]
    assert words(best) == [(None, 1, "entered"), (1, None, "withdrawn")]
    assert words(better)[-2:] == [
        (1, None, "off the board while a task is evaluated anew"),
        (None, 1, "back with new scores"),
    ]
    assert rows_of(better)[-1].since == models.Evaluation.objects.get(pk=repeated.pk).finished_at
    assert [row.n_ranked for row in rows_of(first)] == [1, 2, 3, 2, 1, 2]


@pytest.mark.slow
def test_a_change_of_rank_is_who_came_above_less_who_left(past: Past) -> None:
    list(happenings(past, 7))
    record(past.board)
    moved = models.StandingRecord.objects.filter(change="moved", rank__isnull=False)
    assert moved.count() > 10
    for row in moved.exclude(rank_before=None):
        assert row.rank - (row.rank_before or 0) == row.n_came_above - row.n_left_above


def test_what_stood_before_the_board_was_published_begins_with_it(past: Past) -> None:
    past.now -= timedelta(days=3)
    early = past.enters(0.5)
    record(past.board)
    (row,) = rows_of(early)
    assert (row.since, row.change, row.rank) == (past.board.published_at, "published", 1)


def test_what_happened_a_moment_ago_waits_until_it_is_settled(past: Past) -> None:
    first = past.enters(0.5)
    record(past.board)
    past.now = timezone.now() - timedelta(seconds=5)
    late = past.submit()
    for task in past.tasks:
        factories.evaluation(late, task, score=0.7)
    assert record(past.board) == 0
    assert written(past.board).n_waiting == 1
    assert [row.rank for row in rows_of(first)] == [1]
    through = written(past.board).through
    assert through is not None
    assert timezone.now() - through >= timedelta(seconds=60)


def test_nothing_is_computed_while_nothing_changes(past: Past) -> None:
    past.enters(0.5)
    assert record_all() == 2  # published, entered
    n = models.StandingRecord.objects.count()
    with CaptureQueriesContext(connection) as queries:
        assert record_all() == 0
    assert len(queries) == 4  # the boards; of each: how far, the stamp, up to now
    factories.evaluation(past.submit(), past.tasks[0])  # on the way: the ranking is the same
    assert record_all() == 0
    assert models.StandingRecord.objects.count() == n


def test_what_is_committed_late_is_not_missed(past: Past) -> None:
    first = past.enters(0.5)
    before = past.now
    past.enters(0.4)
    record(past.board)
    assert [row.rank for row in rows_of(first)] == [1, 1]

    past.now = before - timedelta(hours=2)  # long since ended, and only now to be seen
    better = past.enters(0.9)
    record(past.board)
    assert rows_of(better)[0].rank == 1
    for at in moments_of(past.board).times:
        assert told(past.board, at) == standings_of(store.computed_board(past.board, as_of=at))


def test_a_withdrawal_that_is_taken_back_by_hand_is_written_anew(past: Past) -> None:
    first = past.enters(0.5)
    past.withdraw(first)
    record(past.board)
    assert rows_of(first)[-1].change == "withdrawn"
    models.Submission.objects.filter(pk=first.pk).update(withdrawn_at=None)
    record(past.board)
    assert [row.change for row in rows_of(first)] == ["entered"]


def test_private_submissions_are_never_written(past: Past) -> None:
    past.enters(0.5)
    secret = past.enters(0.9, visibility="private", published_at=None)
    record(past.board)
    assert rows_of(secret) == []
    published = past.later()
    models.Submission.objects.filter(pk=secret.pk).update(
        visibility="public", published_at=published
    )
    record(past.board)
    (row,) = rows_of(secret)
    assert (row.since, row.rank) == (published, 1)


def test_rows_are_never_edited(past: Past) -> None:
    past.enters(0.5)
    record(past.board)
    with pytest.raises(IntegrityError, match="never edited"), transaction.atomic():
        models.StandingRecord.objects.update(rank=1)


def test_a_new_version_of_the_board_begins_anew(past: Past) -> None:
    potential = factories.potential()
    past.enters(0.5, potential)
    second = board_of("board", 2, past.tasks[:1], past.later())
    past.enters(0.9)
    record_all()
    on_new = list(history_of(potential, second, ANYBODY))
    # The first version of the board ranks it second, too; on this page that is past.
    assert [(row.benchmark_version.number, row.change, row.rank) for row in on_new] == [
        (2, "moved", 2), (2, "published", 1), (1, "entered", 1),
    ]  # fmt: skip
    on_old = history_of(potential, past.board, ANYBODY)
    assert [(row.benchmark_version.number, row.rank) for row in on_old] == [(1, 2), (1, 1)]


def test_versions_are_told_to_those_who_may_see_them(past: Past) -> None:
    owner = factories.user("alice")
    potential = factories.potential(owner)
    stays, goes = past.enters(0.5, potential), past.enters(0.6, potential)
    past.withdraw(goes)
    record(past.board)

    def versions(user: Any) -> set[str]:
        return {row.submission.version for row in history_of(potential, past.board, user)}

    assert versions(ANYBODY) == versions(factories.user("bob")) == {stays.version}
    assert versions(owner) == versions(factories.charlie()) == {stays.version, goes.version}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_processes_write_a_history_once() -> None:
    past = make_past()
    list(happenings(past, 3))
    gate = threading.Barrier(3)
    counts: list[int] = []

    def write() -> None:
        gate.wait()
        counts.append(record(past.board))
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 3
    n = len(moments_of(past.board).times)
    assert sum(counts) == n
    at_once = models.StandingRecord.objects.count()
    forget(past.board)
    assert record(past.board) == n
    assert models.StandingRecord.objects.count() == at_once


def test_the_command_writes_all_of_it_and_anew(past: Past, capsys: Any) -> None:
    past.enters(0.5)
    past.enters(0.6)
    call_command("record_history")
    assert capsys.readouterr().out == "3 moments written\n"
    keys = set(models.StandingRecord.objects.values_list("pk", flat=True))
    call_command("record_history")
    assert capsys.readouterr().out == "0 moments written\n"
    call_command("record_history", "--anew")
    assert capsys.readouterr().out == "3 moments written\n"
    anew = set(models.StandingRecord.objects.values_list("pk", flat=True))
    assert len(anew) == len(keys)
    assert anew.isdisjoint(keys)
