from __future__ import annotations

import csv
import io

import pytest
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import committee_world as world
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> models.TaskVersion:
    version = world.task_version()
    world.three(version)
    return version


def asked(version: models.TaskVersion, query: str = "") -> str:
    address = f"/api/v1/tasks/{version.task.slug}/committee/{query}"
    response = APIClient().get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_each_row_tells_how_well_the_others_know_its_errors(version: models.TaskVersion) -> None:
    told = APIClient().get(f"/api/v1/tasks/{version.task.slug}/committee/").json()
    assert told["task"]["version"] == 1
    assert told["n_members"] == 3
    assert [row["submission"]["potential"]["slug"] for row in told["rows"]] == [
        "sharp",
        "middling",
        "blunt",
    ]
    first = told["rows"][0]
    assert (first["is_member"], first["theory_mismatch"]) == (True, False)
    forces, energies = first["quantities"]
    assert (forces["quantity"], forces["unit"]) == ("forces", "eV/Å")
    assert (energies["quantity"], energies["unit"]) == ("energies", "meV/atom")
    calibration = forces["calibration"]
    assert (calibration["n"], calibration["n_clusters"]) == (40, 40)
    for name in ("spearman", "auroc", "rmse", "rmse_half"):
        estimate = calibration[name]
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert [point["coverage"] for point in calibration["risk"]][-1] == 1
    assert calibration["risk"][-1]["rmse"] == pytest.approx(calibration["rmse"]["value"])


def test_the_table_has_a_line_for_each_row_and_quantity(version: models.TaskVersion) -> None:
    rows = list(csv.DictReader(io.StringIO(asked(version, "?format=csv"))))
    assert [(row["potential"], row["quantity"]) for row in rows[:3]] == [
        ("sharp", "forces"),
        ("sharp", "energies"),
        ("middling", "forces"),
    ]
    assert float(rows[0]["spearman_low"]) < float(rows[0]["spearman"])
    assert rows[0]["rmse_surest_50_percent"] == rows[0]["rmse_half"]


def test_systems_of_an_evaluation_have_their_uncertainty(version: models.TaskVersion) -> None:
    pk = version.evaluations.get(score=0.9).pk
    systems = APIClient().get(f"/api/v1/evaluations/{pk}/systems/").json()["results"]
    assert systems[0]["uncertainty"]["force_eV_A"] > 0
    assert systems[0]["uncertainty"]["energy_meV_per_atom"] > 0
    text = APIClient().get(f"/api/v1/evaluations/{pk}/systems/?format=csv").content.decode()
    table = list(csv.DictReader(io.StringIO(text)))
    assert float(table[0]["forces_uncertainty [eV/Å]"]) == pytest.approx(
        systems[0]["uncertainty"]["force_eV_A"]
    )


def test_who_is_judged_by_nobody_has_no_uncertainty() -> None:
    version = world.task_version()
    pk = world.judged(version, "alone", world.errors_of(0)).pk
    systems = APIClient().get(f"/api/v1/evaluations/{pk}/systems/").json()["results"]
    assert [system["uncertainty"] for system in systems] == [None] * world.N_FRAMES
    (row,) = APIClient().get(f"/api/v1/tasks/{version.task.slug}/committee/").json()["rows"]
    assert [quantity["calibration"] for quantity in row["quantities"]] == [None, None]


def test_other_tasks_have_nobody() -> None:
    other = factories.task_version()
    told = APIClient().get(f"/api/v1/tasks/{other.task.slug}/committee/").json()
    assert (told["n_members"], told["rows"]) == (0, [])
