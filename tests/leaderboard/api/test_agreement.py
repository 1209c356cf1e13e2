"""What is told of energies against stresses, by API and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories
from tests.leaderboard.emt_world import CURVED, METALS, POINTS, evaluated, task_on
from tests.leaderboard.stored_files import keep_files_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def submission(settings: Any, tmp_path: Path) -> models.Submission:
    """Of 100 GPa everywhere, whose energies know METALS and whose stresses know no pressure."""
    keep_files_in(settings, tmp_path)
    submission = factories.submission()
    volumes = {name: METALS[name[4:]] ** 3 / 4 * 1.01 for name in CURVED}
    curves = {
        name: {
            "volume_per_atom_A3": volume,
            "bulk_modulus_GPa": 100.0,
            "bulk_modulus_derivative": 4.0,
            "curve_volumes_A3": [0.94 * volume, 1.06 * volume],
        }
        for name, volume in volumes.items()
    }
    evaluated(submission, task_on(CURVED, "equation_of_state"), curves)
    points = {name: {"pressure_GPa": 0.0} for name in POINTS}
    evaluated(submission, task_on(POINTS, "energy_forces"), points)
    return submission


def test_the_api_tells_crystals_median_and_doubt(submission: models.Submission) -> None:
    told = APIClient().get(f"/api/v1/submissions/{submission.pk}/agreement/").json()
    assert (told["n_crystals"], told["tolerance_percent"]) == (len(METALS), 0.5)
    # One percent of the volume, and a little of the curvature.
    assert told["median_percent"] == pytest.approx(1.0, abs=0.05)
    assert "disagree by more than 1 % of the volume" in told["doubt"]
    crystal = told["crystals"][0]
    assert crystal["energy_pressure_GPa"] == pytest.approx(1.0, abs=0.05)
    assert APIClient().get(crystal["energies"]).json()["task"]
    assert crystal["energies"] != crystal["stresses"]


def test_the_potential_s_page_says_the_same_beside_its_grades(
    submission: models.Submission,
) -> None:
    page = Client().get(submission.potential.get_absolute_url()).content.decode()
    assert 'id="across-tasks"' in page
    assert "Doubtful." in page and "Never scored" in page


def test_where_no_tasks_share_a_crystal_nothing_is_said(settings: Any, tmp_path: Path) -> None:
    keep_files_in(settings, tmp_path)
    submission = factories.submission()
    evaluated(submission, task_on(POINTS, "energy_forces"), {"Al": {"pressure_GPa": 0.0}})
    told = APIClient().get(f"/api/v1/submissions/{submission.pk}/agreement/").json()
    assert told["crystals"] == [] and told["median_percent"] is None
    page = Client().get(submission.potential.get_absolute_url()).content.decode()
    assert "across-tasks" not in page
