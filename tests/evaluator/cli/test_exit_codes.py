from __future__ import annotations

import re
from pathlib import Path

import pytest

from evaluator.cli.exit_codes import ExitCode, worst_exit_code
from evaluator.contract import EvaluationReport, Verdict

ROOT = Path(__file__).resolve().parents[3]


def test_the_documented_table_is_the_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z ]+) \|", (ROOT / "docs" / "cli.md").read_text(), re.M)
    assert [(int(code), name) for code, name in rows] == [
        (code.value, code.name.lower().replace("_", " ")) for code in ExitCode
    ]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], ExitCode.OK),
        (["ok", "ok"], ExitCode.OK),
        (["ok", "cancelled"], ExitCode.CANCELLED),
        # The failure is told, and not the cancelled ones that it has stopped.
        (["load_error", "cancelled", "cancelled"], ExitCode.LOAD_ERROR),
        (["load_error", "infrastructure_error", "ok"], ExitCode.INFRASTRUCTURE_ERROR),
    ],
)
def test_of_several_verdicts_the_worst_is_told(verdicts: list[str], code: ExitCode) -> None:
    ended = [EvaluationReport(verdict=Verdict(verdict), coverage=1.0) for verdict in verdicts]
    assert worst_exit_code(ended) is code


def test_what_is_not_covered_is_no_failure_and_what_the_calculator_refuses_is_one() -> None:
    not_covered = EvaluationReport(verdict=Verdict.UNSUPPORTED, coverage=0.0)
    refused = EvaluationReport(verdict=Verdict.UNSUPPORTED, coverage=1.0)
    assert worst_exit_code([EvaluationReport(verdict=Verdict.OK), not_covered]) is ExitCode.OK
    assert worst_exit_code([not_covered, refused]) is ExitCode.UNSUPPORTED
