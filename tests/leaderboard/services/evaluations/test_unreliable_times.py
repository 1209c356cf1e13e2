from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from leaderboard import models
from leaderboard.services.evaluations.unreliable_times import PAUSES, REASON, repeat_due
from leaderboard.services.housekeeping import reap
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
WHY = "Its times spread by 34 % between processes (Si, 64 atoms), more than 20 %."


def timed(ago: timedelta, **fields: Any) -> models.Evaluation:
    return factories.evaluation(
        score=0.5, finished_at=timezone.now() - ago, **{"why_unreliable": WHY, **fields}
    )


def repeat_of(evaluation: models.Evaluation) -> models.Evaluation | None:
    return models.Evaluation.objects.filter(supersedes=evaluation).first()


def test_unreliable_times_are_measured_again_after_a_pause_at_nobodys_expense() -> None:
    due = timed(PAUSES[0] + timedelta(minutes=1))
    early = timed(PAUSES[0] - timedelta(minutes=1))
    reliable = timed(timedelta(days=9), why_unreliable="")
    withdrawn = timed(timedelta(days=9))
    models.Submission.objects.filter(pk=withdrawn.submission_id).update(withdrawn_at=timezone.now())

    assert reap().n_timed_again == 1

    again = repeat_of(due)
    assert again is not None
    assert (again.state, again.reason, again.parties) == ("queued", REASON, ["staff"])
    assert again.priority < 0
    assert [repeat_of(row) for row in (early, reliable, withdrawn)] == [None] * 3
    early.refresh_from_db()
    assert early.is_current  # it stands, unranked, until it is repeated
    assert repeat_due() == 0


@pytest.mark.parametrize("n_repeats", range(len(PAUSES) + 1))
def test_repeats_are_bounded_and_their_pauses_grow(n_repeats: int) -> None:
    def last_of_repeats(ago: timedelta) -> models.Evaluation:
        """The current one of a chain: the first evaluation, and so many repeats of it."""
        of, on = factories.submission(), factories.task_version()
        reasons = ["", *[REASON] * n_repeats]
        chain = [
            timed(ago, of=of, on=on, reason=reason, is_current=i == n_repeats)
            for i, reason in enumerate(reasons)
        ]
        return chain[-1]

    minute = timedelta(minutes=1)
    if n_repeats == len(PAUSES):
        last_of_repeats(timedelta(days=99))
        assert repeat_due() == 0
        return
    due = last_of_repeats(PAUSES[n_repeats] + minute)
    early = last_of_repeats(PAUSES[n_repeats] - minute)
    assert repeat_due() == 1
    assert repeat_of(due) is not None and repeat_of(early) is None


def test_a_repeat_that_is_reliable_ends_it() -> None:
    first = timed(timedelta(days=9), is_current=False)
    timed(
        timedelta(days=9),
        of=first.submission,
        on=first.task_version,
        why_unreliable="",
        reason=REASON,
    )
    assert repeat_due() == 0
