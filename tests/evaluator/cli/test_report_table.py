from typing import Any

from evaluator.catalog import format_number
from evaluator.cli.report_table import format_report
from evaluator.contract import EvaluationReport, SystemRecord, SystemStatus, TaskSpec, Verdict

TASK = TaskSpec(
    slug="t", version=1, protocol="md_stability", protocol_version=1, parameters={}, metrics=()
)


def told(*systems: SystemRecord, **fields: Any) -> list[str]:
    report = EvaluationReport(verdict=Verdict.OK, systems=systems, **fields)
    return format_report(TASK, "p", report, is_whole=True).splitlines()


def test_trajectories_that_left_physics_are_not_called_well() -> None:
    left = "It left physics after 0.030 ps. Seen first: Al and Al are 1.14 Å apart."
    lines = told(
        SystemRecord(system_id="a", status=SystemStatus.OK, values={"failure_message": ""}),
        SystemRecord(system_id="b", status=SystemStatus.OK, values={"failure_message": left}),
        SystemRecord(system_id="c", status=SystemStatus.FAILED, message="No stress."),
        n_systems=3,
        n_failed=2,
    )
    assert "Systems 3: 1 well, 2 failed, 0 not covered (coverage –)" in lines
    assert f"  b: {left}" in lines and "  c: No stress." in lines


def test_times_that_would_not_be_ranked_are_told() -> None:
    why = "Its device was busy with something else before the times were taken (processor 40 %)."
    assert f"These times would not be ranked. {why}" in told(why_unreliable=why)
    assert not [line for line in told() if "ranked" in line]


def test_the_error_of_an_absurd_answer_is_told_by_its_power_of_ten() -> None:
    assert format_number(5e299, 4) == "5.00e+299"
    assert format_number(-1234.56789, 3) == "-1234.568"
    assert format_number(None, 3) == "–"
