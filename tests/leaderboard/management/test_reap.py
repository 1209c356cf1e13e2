"""What the reaper says of its rounds."""

from __future__ import annotations

import pytest

from leaderboard.management.commands.reap import Rounds
from leaderboard.services.housekeeping import Reaped


def test_the_reaper_says_at_once_and_then_every_ten_minutes_that_it_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rounds = Rounds()
    with caplog.at_level("INFO"):
        for now in range(0, 1201, 15):
            rounds.tell(Reaped(n_messages_sent=1), float(now))

    assert [record.getMessage() for record in caplog.records] == [
        f"The reaper lives: {n} rounds since it last said so, {n} messages sent again. "
        "A round every 15 s."
        for n in (1, 40, 40)
    ]


def test_the_reaper_says_what_it_returned_when_it_did(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds()
    rounds.tell(Reaped(), 0.0)
    rounds.tell(Reaped(n_returned=2, n_failed=1), 15.0)

    record = caplog.records[-1]
    assert record.levelname == "WARNING"
    assert "2 returned to the queue, 1 failed, 0 cancelled" in record.getMessage()
