from __future__ import annotations

import json

import pytest

from evaluator.contract import (
    INFRASTRUCTURE_VERDICTS,
    EvaluationReport,
    FileRecord,
    Limits,
    ReferenceSpec,
    ScoredMetric,
    ScoreRecord,
    SubmissionSpec,
    SystemRecord,
    SystemStatus,
    TaskScore,
    TaskSpec,
    Verdict,
)

TASK = TaskSpec(
    slug="eos",
    version=2,
    protocol="equation_of_state",
    protocol_version=1,
    parameters={"n_volumes": 7},
    metrics=(ScoredMetric(key="eos_delta_mean", good=1.0, bad=20.0, worst=100.0),),
    reference=ReferenceSpec(name="r", version="1", sha256="0" * 64, level_of_theory="PBE"),
    limits=Limits(wall_time_s=10.0),
)

REPORT = EvaluationReport(
    verdict=Verdict.OK,
    scores=(
        ScoreRecord(
            metric="eos_delta_mean", value=1.5, low=1.0, high=2.0, score=0.9, n=3, n_failed=1
        ),
        ScoreRecord(
            metric="bulk_modulus_mae", value=None, low=None, high=None, score=None, n=0, n_failed=0
        ),
    ),
    task_score=TaskScore(value=0.9, low=0.8, high=1.0, replicates=(0.8, 0.9, 1.0)),
    systems=(
        SystemRecord(system_id="Si", status=SystemStatus.OK, values={"element": "Si"}),
        SystemRecord(system_id="He", status=SystemStatus.FAILED, message="No minimum."),
    ),
    files=(
        FileRecord(
            system_id="Si",
            name="bands.json.gz",
            sha256="0" * 64,
            size_bytes=3,
            media_type="application/gzip",
        ),
    ),
    coverage=1.0,
    n_systems=2,
    n_failed=1,
)

#: As an earlier release wrote it: the fields that were added since are missing.
OLD_REPORT = """
{"verdict": "wall_timeout", "message": "Too slow.", "scores": [], "task_score": null,
 "systems": [{"system_id": "Si", "status": "ok", "message": "", "values": {"element": "Si"},
              "reference": {}, "n_calls": 18, "wall_time_s": 0.5}],
 "coverage": 1.0, "n_systems": 2, "n_failed": 0, "n_unsupported": 0, "stdout": "", "stderr": "",
 "wall_time_s": 10.0, "contract_version": 1}
"""


@pytest.mark.parametrize("record", [TASK, REPORT], ids=lambda record: type(record).__name__)
def test_a_record_survives_json(record: TaskSpec | EvaluationReport) -> None:
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


def test_an_old_report_still_loads() -> None:
    report = EvaluationReport.from_json(json.loads(OLD_REPORT))
    assert report.verdict is Verdict.WALL_TIMEOUT
    assert report.systems[0].status is SystemStatus.OK
    assert report.systems[0].n_calls == 18
    assert report.consistency == {}
    assert report.files == ()


def test_a_submission_keeps_none_apart_from_no_elements() -> None:
    spec = SubmissionSpec(
        name="a", calculator_kind="ase", artifact_sha256="0", artifact_filename="a.json"
    )
    assert SubmissionSpec.from_json(spec.to_json()).supported_elements is None
    content = {**spec.to_json(), "supported_elements": ["Si", "O"]}
    assert SubmissionSpec.from_json(content).supported_elements == ("Si", "O")


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="TaskSpec has no field colour"):
        TaskSpec.from_json({**TASK.to_json(), "colour": "red"})


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(ValueError, match="splendid"):
        EvaluationReport.from_json({"verdict": "splendid"})


def test_only_our_own_faults_are_infrastructure_verdicts() -> None:
    ours = {verdict for verdict in Verdict if verdict.value.startswith("infrastructure_")}
    assert ours == INFRASTRUCTURE_VERDICTS
