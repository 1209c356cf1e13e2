"""An administrator defines, tries, publishes and back-fills a task with nothing but a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from django.contrib.auth.models import User

from leaderboard import models
from tests.end_to_end.site import Site, wait_until
from tests.leaderboard import factories
from tests.leaderboard.services.submissions.test_submissions import submit_emt

pytestmark = [
    pytest.mark.browser,
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    # kombu's tables are declared with an option that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]
PASSWORD = "a good password"


def write_reference(path: Path) -> None:
    """Eight rattled cells of copper and gold with the answers of EMT, in meV per atom."""
    frames, rng = [], np.random.default_rng(0)
    for i in range(8):
        atoms = bulk("Cu" if i % 2 else "Au", cubic=True)
        atoms.rattle(0.08, rng=rng)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info = {"REF_energy": 1000 * energy / len(atoms), "system_id": f"cell-{i}"}
        atoms.set_array("REF_forces", forces)
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")


def sign_in(page: Any) -> None:
    page.fill("input[name=login]", "charlie")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button.primary")
    page.wait_for_url("**/admin/**")


def upload(page: Any, path: Path) -> None:
    page.click("text=Upload a reference set")
    page.set_input_files("input[name=file]", path)
    for name, value in {
        "slug": "copper-gold",
        "title": "Rattled copper and gold",
        "level_of_theory": "EMT",
        "licence": "CC0-1.0",
        "citation": "Nobody, 2026",
        "energy_name": "REF_energy",
        "forces_name": "REF_forces",
    }.items():
        page.fill(f"[name={name}]", value)
    page.select_option("[name=energy_unit]", "meV/atom")
    page.click("text=Check and preview")
    page.wait_for_selector("text=Nothing is stored yet")
    shown = page.inner_text("#content")
    assert "8, the largest of 4 atoms; 32 atoms in all" in shown
    assert "energy, forces" in shown
    assert "No structure has stress: no task can judge it." in shown
    assert page.locator("[aria-label='Element histogram'] tr").count() == 2
    assert not models.ReferenceSet.objects.exists()
    assert page.locator("[name=seen]").count() == 0  # a note is no error
    page.click("text=Store this reference set")
    page.wait_for_selector("text=copper-gold 1 is stored")


def define(page: Any) -> None:
    page.goto("/admin/leaderboard/task/add/")
    page.fill("[name=slug]", "copper-gold-forces")
    page.fill("[name=name]", "Copper and gold")
    page.fill("[name=summary]", "Energies and forces on rattled metals.")
    page.click("[name=_save]")
    page.wait_for_selector("text=was added successfully")
    page.goto("/admin/leaderboard/taskversion/add/")
    page.select_option("[name=reference_set]", label="copper-gold 1: Rattled copper and gold")
    page.click("button[value=energy_forces]")
    page.select_option("[name=task]", label="Copper and gold")
    page.fill("[name=description]", "How well rattled metals are described.")
    page.fill("[name=limitations]", "Two metals, small displacements.")
    # The dummy's force error is suggested as the anchor that scores 0.
    suggested = float(page.input_value("[name=metrics-force_mae-bad]"))
    assert 0.1 < suggested < 2
    assert page.input_value("[name=metrics-stress_mae-bad]") == ""
    page.check("[name=metrics-force_mae-use]")
    page.check("[name=metrics-energy_mae-use]")
    page.click("[name=_save]")
    page.wait_for_selector("text=Dry runs")


def try_out(page: Any) -> None:
    submission = models.Submission.objects.get()
    page.select_option("[name=submission]", str(submission.pk))
    page.click("text=Try it")
    page.wait_for_selector("text=A dry run of")
    run = models.Evaluation.objects.get(is_dry_run=True)
    wait_until(run, lambda e: e.has_ended, timeout_s=60)
    page.reload()
    table = page.inner_text("[aria-label='Dry runs']")
    assert "ok" in table
    assert "this version as it is" in table
    assert run.score == pytest.approx(1.0, abs=1e-3)
    page.goto(run.get_absolute_url())
    assert "Copper and gold" in page.inner_text("main")


def publish(page: Any) -> None:
    page.click("text=Publish: frozen from then on")
    page.wait_for_selector("text=No, take me back")
    page.click("text=Publish: frozen from then on")


def publish_and_fill(page: Any, version: models.TaskVersion) -> models.Evaluation:
    page.goto(f"/admin/leaderboard/taskversion/{version.pk}/desk/")
    assert "1 evaluation:" in page.inner_text("#content")
    publish(page)
    page.wait_for_selector("text=is published: frozen from now on")
    page.goto("/admin/leaderboard/benchmark/add/")
    for name, value in {"slug": "metals", "name": "Metals", "summary": "All metals."}.items():
        page.fill(f"[name={name}]", value)
    page.click("[name=_save]")
    page.wait_for_selector("text=was added successfully")
    page.goto("/admin/leaderboard/benchmarkversion/add/")
    page.select_option("[name=benchmark]", label="Metals")
    page.select_option("[name=entries-0-task_version]", label=str(version))
    page.fill("[name=entries-0-category]", "Forces")
    page.click("[name=_save]")
    page.wait_for_selector("text=The board as it would be now")
    publish(page)
    page.wait_for_selector("text=is published: frozen from now on")
    page.click("text=Evaluate every submission")
    page.wait_for_selector("text=1 evaluation queued")
    filled = models.Evaluation.objects.get(is_dry_run=False)
    assert filled.priority < 0
    return filled


def test_a_task_is_defined_tried_published_and_filled_in_the_browser(
    open_page: Any, site: Site, tmp_path: Path
) -> None:
    User.objects.create_superuser("charlie", "charlie@example.org", PASSWORD)
    submit_emt(factories.potential(name="EMT"))
    site.start_worker("worker")
    write_reference(tmp_path / "metals.extxyz")
    with open_page("/admin/") as page:
        page.set_default_timeout(20_000)
        sign_in(page)
        upload(page, tmp_path / "metals.extxyz")
        define(page)
        try_out(page)
        version = models.TaskVersion.objects.get()
        filled = publish_and_fill(page, version)
        wait_until(filled, lambda e: e.has_ended, timeout_s=60)
        assert filled.state == "succeeded", filled.message
        page.goto("/benchmarks/metals/1/")
        assert page.locator(".board tbody tr").count() == 1
        assert "1.00" in page.inner_text(".board tbody")
        page.goto("/admin/leaderboard/auditentry/")
        log = page.inner_text("#result_list")
        for action in ("reference set uploaded", "dry run", "published", "back-fill", "added"):
            assert action in log
