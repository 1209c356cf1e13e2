from __future__ import annotations

from datetime import UTC, datetime

import pytest

from leaderboard.lib.moments import month_around


@pytest.mark.parametrize(
    ("moment", "begin", "next_begin"),
    [
        (datetime(2026, 1, 31, 23, 59, 59, 999, UTC), (2026, 1), (2026, 2)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), (2028, 2), (2028, 3)),
        (datetime(2026, 12, 1, tzinfo=UTC), (2026, 12), (2027, 1)),
    ],
)
def test_a_month_begins_with_its_first_moment_and_ends_with_the_next_ones(
    moment: datetime, begin: tuple[int, int], next_begin: tuple[int, int]
) -> None:
    assert month_around(moment) == (
        datetime(*begin, 1, tzinfo=UTC),
        datetime(*next_begin, 1, tzinfo=UTC),
    )
