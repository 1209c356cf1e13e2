from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from typing import Any

import pytest

from leaderboard import models
from leaderboard.enums import VersionState
from leaderboard.exceptions import ConflictError, InfrastructureError, SubmissionError
from leaderboard.services.definitions import tasks
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

FORCES = [{"key": "force_mae", "good": 0.0, "bad": 0.5, "worst": 1.0}]
CONTENT = b"1\n\nH 0 0 0\n"


def draft(**fields: Any) -> models.TaskVersion:
    return factories.task_version(state=VersionState.DRAFT, **fields)


def metric(**changes: Any) -> list[dict[str, Any]]:
    return [{**factories.METRICS[0], **changes}]


def description(**changes: Any) -> tasks.ReferenceDescription:
    fields: dict[str, Any] = {
        "slug": "crystals",
        "version": "1",
        "title": "Crystals",
        "n_systems": 1,
        "elements": ("H",),
        "properties": ("energy",),
        "level_of_theory": "PBE",
        "licence": "CC0-1.0",
        "citation": "Nobody, 2026",
    }
    return tasks.ReferenceDescription(**{**fields, **changes})


def test_a_good_draft_has_no_errors() -> None:
    assert tasks.check_task_version(draft()) == {}
    single = factories.reference_set(properties=["energy", "forces"])
    forces = draft(protocol="energy_forces", metrics=FORCES, reference_set=single)
    assert tasks.check_task_version(forces) == {}


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"limitations": " "}, "limitations", "at least a sentence"),
        ({"description": ""}, "description", "at least a sentence"),
        ({"protocol": "tarot"}, "protocol", "'tarot' is unknown; known are"),
        ({"protocol_version": 99}, "protocol_version", "not 99"),
        ({"min_coverage": 1.5}, "min_coverage", "between 0 and 1"),
        ({"parameters": {"n_volumes": 3}}, "parameters", "n_volumes must be at least 5"),
        ({"parameters": {"speed": 3}}, "parameters", "speed is unknown"),
        ({"parameters": [1]}, "parameters", "must be a JSON object"),
        ({"metrics": []}, "metrics", "at least one metric"),
        ({"metrics": {"key": "x"}}, "metrics", "must be a list"),
        ({"metrics": ["eos"]}, "metrics", "must be a JSON object"),
        ({"metrics": [{"key": "eos_delta_mean"}]}, "metrics", "lacks good, bad, worst"),
        ({"metrics": metric(colour="red")}, "metrics", "has no field colour"),
        ({"metrics": metric(key="force_mae")}, "metrics", "equation_of_state measures"),
        ({"metrics": metric(good=50.0)}, "metrics", "good and bad must differ"),
        ({"metrics": metric(good=60.0)}, "metrics", "good must be below bad"),
        ({"metrics": metric(worst=10.0)}, "metrics", "must not be better than bad"),
        ({"metrics": metric(weight=-1.0)}, "metrics", "must not be negative"),
        ({"metrics": metric(weight=0.0)}, "metrics", "at least one weight must be positive"),
        ({"metrics": metric(bad="much")}, "metrics", "bad must be a finite number"),
        ({"metrics": metric() * 2}, "metrics", "eos_delta_mean: stands twice"),
        ({"limits": {"wall_time_s": 0}}, "limits", "wall_time_s must be a positive number"),
        ({"limits": {"memory_MiB": 1.5}}, "limits", "must be a whole number"),
        ({"limits": {"n_cores": 2}}, "limits", "n_cores is unknown"),
        ({"limits": []}, "limits", "must be a JSON object"),
    ],
)
def test_what_is_wrong_with_a_draft_is_named_and_not_published(
    fields: dict[str, Any], field: str, sentence: str
) -> None:
    version = draft(**fields)

    errors = tasks.check_task_version(version)

    assert set(errors) == {field}
    assert sentence in errors[field]
    with pytest.raises(SubmissionError) as refused:
        tasks.publish_task_version(version)
    assert set(refused.value.errors) == {field}
    version.refresh_from_db()
    assert version.state == VersionState.DRAFT


@pytest.mark.parametrize(
    ("name", "is_refused"),
    [
        ("mace:/srv/weights/large.model", True),
        ("mace:large.model", True),
        ("chgnet:9", True),
        ("chgnet", True),
        ("", False),
        ("ase:emt", False),
        ("chgnet:0.3.0,dtype=float64", False),
    ],
)
def test_only_a_potential_that_ships_is_timed_beside_a_submission(
    name: str, is_refused: bool
) -> None:
    version = draft(protocol="efficiency", parameters={"reference_potential": name})
    complaint = tasks.check_task_version(version).get("parameters", "")
    assert ("reference_potential must be one that ships" in complaint) is is_refused


def test_anchors_must_be_finite() -> None:
    version = draft()
    version.metrics = metric(worst=math.inf)
    assert "worst must be a finite number" in tasks.check_task_version(version)["metrics"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"scale": "logarithmic"}, "scale must be linear or log, not 'logarithmic'"),
        ({"scale": "log", "good": 0.0}, "must be above zero on the scale log"),
        (
            {"key": "bulk_modulus_ratio_median", "good": 1.0, "bad": 0.5, "scale": "log"},
            "best at one has the scale linear",
        ),
    ],
)
def test_a_logarithmic_scale_takes_positive_anchors(
    changes: dict[str, Any], complaint: str
) -> None:
    version = draft(metrics=metric(**changes))
    assert complaint in tasks.check_task_version(version)["metrics"]
    assert tasks.check_task_version(draft(metrics=metric(scale="log"))) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"good": 0.0, "bad": 3.0, "noise": 1.6},
        {"good": 0.0, "bad": 3.0, "noise": 0.0},
        # Where lower is better a value is its error, so that a good below zero widens nothing.
        {"good": -10.0, "bad": 3.0, "noise": 2.0},
        {"key": "bulk_modulus_ratio_median", "good": 1e308, "bad": -1e308, "worst": -1e308},
    ],
)
def test_a_noise_that_leaves_no_room_for_skill_is_refused(changes: dict[str, Any]) -> None:
    given: dict[str, Any] = {"worst": 9.0, "noise": 1.0, **changes}
    complaint = tasks.check_task_version(draft(metrics=metric(**given)))["metrics"]
    assert "noise must be above 0 and at most half of the largest error" in complaint
    fine = {"good": 0.0, "bad": 3.0, "worst": 9.0, "noise": 1.5}
    assert tasks.check_task_version(draft(metrics=metric(**fine))) == {}


def test_a_metric_for_which_higher_is_better_has_good_above_bad() -> None:
    row = {"key": "force_cosine_mean", "good": 0.0, "bad": 1.0, "worst": 1.0}
    single = factories.reference_set(properties=["energy", "forces"])
    version = draft(protocol="energy_forces", metrics=[row], reference_set=single)
    assert "good must be above bad" in tasks.check_task_version(version)["metrics"]


@pytest.mark.parametrize(
    ("protocol", "metrics", "properties", "missing"),
    [
        ("energy_forces", FORCES, ["energy"], "forces"),
        (
            "energy_forces",
            [{"key": "stress_mae", "good": 0.0, "bad": 1.0, "worst": 2.0}],
            ["energy", "forces"],
            "stress",
        ),
        ("equation_of_state", metric(), ["energy", "forces"], "volume_per_atom_A3"),
    ],
)
def test_a_reference_set_without_what_the_metrics_need_is_refused(
    protocol: str, metrics: list[dict[str, Any]], properties: list[str], missing: str
) -> None:
    reference = factories.reference_set(properties=properties)
    version = draft(protocol=protocol, metrics=metrics, reference_set=reference)

    errors = tasks.check_task_version(version)

    assert set(errors) == {"reference_set"}
    assert f"has no {missing}" in errors["reference_set"]


def test_a_task_needs_a_reference_set() -> None:
    version = draft()
    version.reference_set = None
    assert "needs a reference set with" in tasks.check_task_version(version)["reference_set"]


def test_publishing_freezes_with_all_parameters_filled_in() -> None:
    version = tasks.publish_task_version(draft(parameters={"n_volumes": 9}))

    assert version.state == VersionState.PUBLISHED
    assert version.published_at is not None
    assert version.parameters["n_volumes"] == 9
    assert version.parameters["volume_range_percent"] == 6.0
    assert version.limits["memory_MiB"] == 8192
    assert [row["weight"] for row in version.metrics] == [2.0, 1.0]
    with pytest.raises(ConflictError, match="is published already"):
        tasks.publish_task_version(version)


def test_everyone_is_evaluated_but_the_withdrawn_and_those_who_are_already() -> None:
    version, new, old = factories.task_version(), factories.submission(), factories.submission()
    factories.evaluation(old, version)
    factories.submission(withdrawn_at=version.published_at)

    assert [e.submission for e in tasks.evaluate_everyone(version)] == [new]
    assert tasks.evaluate_everyone(version) == []
    with pytest.raises(ConflictError, match="is not published"):
        tasks.evaluate_everyone(draft())


def benchmark_draft(*entries: tuple[models.TaskVersion, str, float, float]) -> Any:
    benchmark = models.Benchmark.objects.create(slug="core", name="Core", summary="All.")
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    for task_version, category, weight, category_weight in entries:
        models.BenchmarkTask.objects.create(
            benchmark_version=version,
            task_version=task_version,
            category=category,
            weight=weight,
            category_weight=category_weight,
        )
    return version


def test_a_benchmark_of_published_tasks_is_published_once() -> None:
    version = tasks.publish_benchmark_version(
        benchmark_draft((factories.task_version(), "A", 1.0, 1.0))
    )
    assert version.state == VersionState.PUBLISHED
    with pytest.raises(ConflictError, match="never changes"):
        tasks.publish_benchmark_version(version)


def test_an_unsound_benchmark_is_refused() -> None:
    with pytest.raises(SubmissionError, match="It has no task"):
        tasks.publish_benchmark_version(benchmark_draft())
    version = models.BenchmarkVersion.objects.get()
    for task_version, weight, category_weight in (
        (draft(), 1.0, 1.0),
        (factories.task_version(), 1.0, 2.0),
    ):
        models.BenchmarkTask.objects.create(
            benchmark_version=version,
            task_version=task_version,
            category="A",
            weight=weight,
            category_weight=category_weight,
        )
    with pytest.raises(SubmissionError) as refused:
        tasks.publish_benchmark_version(version)
    assert set(refused.value.errors) == {"entries", "category_weight"}
    models.BenchmarkTask.objects.filter(task_version__state="draft").delete()
    models.BenchmarkTask.objects.update(weight=0.0)
    with pytest.raises(SubmissionError, match="At least one weight"):
        tasks.publish_benchmark_version(version)


def test_a_reference_set_is_stored_once_under_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "set.extxyz"
    file.write_bytes(CONTENT)

    first = tasks.store_reference_set(file, description())
    second = tasks.store_reference_set(io.BytesIO(CONTENT), description())

    assert first == second
    assert first.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert first.size_bytes == len(CONTENT)
    assert tasks.reference_path(first).read_bytes() == CONTENT
    assert tasks.reference_path(first).stat().st_mode & 0o007 == 0


def test_other_bytes_need_another_version() -> None:
    tasks.store_reference_set(io.BytesIO(CONTENT), description())
    with pytest.raises(ConflictError, match="Give the new data a new version"):
        tasks.store_reference_set(io.BytesIO(CONTENT * 2), description())
    tasks.store_reference_set(io.BytesIO(CONTENT * 2), description(version="2"))


def test_a_bad_reference_set_is_refused() -> None:
    with pytest.raises(SubmissionError, match="The file is empty"):
        tasks.store_reference_set(io.BytesIO(b""), description())
    with pytest.raises(SubmissionError, match="has the SHA-256"):
        tasks.store_reference_set(io.BytesIO(CONTENT), description(), expected_sha256="0" * 64)
    with pytest.raises(SubmissionError) as refused:
        tasks.store_reference_set(io.BytesIO(CONTENT), description(slug="A B", citation=""))
    assert set(refused.value.errors) == {"slug", "citation"}
    assert not models.ReferenceSet.objects.exists()


def test_lost_reference_data_is_our_fault() -> None:
    with pytest.raises(InfrastructureError, match="is missing from the storage"):
        tasks.reference_path(factories.reference_set())
