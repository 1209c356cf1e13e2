"""What ``touchstone whoami`` says of a quota."""

from __future__ import annotations

import pytest

from evaluator.cli.account import _format_allowance
from evaluator.client.records import Allowance


@pytest.mark.parametrize(
    ("name", "unit", "remaining", "limit", "line"),
    [
        (
            "per_month",
            "evaluations",
            12345,
            100000,
            "12,345 of 100,000 evaluations left this month",
        ),
        ("stored_MiB", "MiB", 32760, 32768, "32,760 of 32,768 MiB left for files"),
        (
            "worker_seconds_per_day",
            "worker-seconds",
            5400,
            48 * 3600,
            "1.5 of 48 hours of workers left today",
        ),
        ("potentials", "potentials", 0, 200, "0 of 200 potentials left"),
    ],
)
def test_a_quota_is_told_in_plain_numbers(
    name: str, unit: str, remaining: int, limit: int, line: str
) -> None:
    used = limit - remaining
    allowance = Allowance(name=name, unit=unit, used=used, remaining=remaining, limit=limit)
    assert _format_allowance(allowance) == f"quota: {line}"
