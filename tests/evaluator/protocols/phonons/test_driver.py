"""Phonons through the driver: calculators in the sandbox, several crystals side by side."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.contract import Limits, ScoredMetric, SystemStatus, Verdict
from evaluator.driver.evaluation import evaluate
from evaluator.potentials.names import resolve
from evaluator.protocols.base import System
from evaluator.protocols.phonons.protocol import PhononsProtocol
from evaluator.references.sets import build
from evaluator.sandbox.find import find_sandbox
from evaluator.standard_tasks.read import standard_task
from tests.evaluator.small_tasks import submission_of, task_on, write_emt

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")
PARAMETERS = {"mesh": 4}
METRICS = (
    ScoredMetric(key="omega_max_mae", good=0.0, bad=4.0, worst=8.0),
    ScoredMetric(key="stability_score", good=1.0, bad=0.0, worst=0.0),
)
SUPERCELL = 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def write_metals(path: Path, elements: Sequence[str]) -> Path:
    """A reference that holds what EMT itself gives, computed here and not in the sandbox."""
    parameters = check_parameters(DESCRIPTIONS["phonons"].parameters, PARAMETERS)
    frames = []
    for element in elements:
        atoms = bulk(element)
        system = System(id=element, atoms=atoms, reference={"supercell_matrix": SUPERCELL})
        values = PhononsProtocol().simulate(system, EMT(), parameters).values
        frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        frame.info = {
            "system_id": f"metal-{element}",
            "family": "fcc",
            "supercell_matrix": SUPERCELL,
            "omega_max_THz": values["omega_max_THz"],
            "omega_min_THz": values["omega_min_THz"],
        }
        frames.append(frame)
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.mark.sandbox
@pytest.mark.slow
def test_sandbox_rotation_and_permutation_change_no_frequency(tmp_path: Path) -> None:
    reference = write_metals(tmp_path / "metals.extxyz", ["Cu", "Al"])
    emt = write_emt(tmp_path)
    report = evaluate(
        task_on(
            reference,
            "phonons",
            metrics=METRICS,
            parameters=PARAMETERS,
            limits=Limits(wall_time_s=200, call_timeout_s=60, memory_MiB=2048),
        ),
        submission_of(emt, "ase"),
        emt,
        reference,
        sandbox=find_sandbox(),
    )

    assert report.verdict is Verdict.OK, report.message
    assert [record.status for record in report.systems] == [SystemStatus.OK] * 2
    for record in report.systems:
        known = record.reference["omega_max_THz"]
        assert record.values["omega_max_THz"] == pytest.approx(known, rel=1e-5)
        assert record.values["space_group"] == "Fm-3m (225)"
    assert report.task_score.value == pytest.approx(1.0, abs=1e-4)
    assert report.summary["stability"][1]["true_stable"] == 2


@pytest.mark.slow
def test_the_driver_computes_phonons_without_torch() -> None:
    code = (
        "import sys, evaluator.driver.evaluation; before = 'phonopy' in sys.modules;"
        "import evaluator.protocols.phonons.lattice_dynamics;"
        "print(before, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # phonopy is imported only when phonons are computed.
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.trained
@pytest.mark.mirror
@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
def test_chgnet_finds_magnesia_too_soft_and_stable(tmp_path: Path) -> None:
    pytest.importorskip("chgnet")
    task = standard_task("phonons-small")
    reference = build(task.reference_name, mirror=Path(str(MIRROR)), cache=tmp_path)
    potential = resolve("chgnet:0.3.0", tmp_path)
    report = evaluate(
        task.spec,
        potential.spec,
        potential.artifact,
        reference.path,
        sandbox=find_sandbox(),
        only=["phonondb-MgO-rocksalt"],
    )

    assert report.verdict is Verdict.OK, report.message
    (record,) = report.systems
    # Computed with this project's first release; the published finding is that ratios of CHGNet
    # lie below one for 9 of 10 crystals (doi:10.1038/s41524-024-01500-6).
    assert record.values["frequency_slope"] == pytest.approx(0.870, abs=0.01)
    assert record.values["omega_max_THz"] == pytest.approx(17.31, abs=0.1)
    assert not record.values["has_imaginary_modes"]
    # With 0.003 Å the same mode lies at half its frequency: PBE's is 11.19 THz, TensorNet's 8.28
    # and 8.29 THz at the two displacements.
    assert record.values["gamma_max_THz"] == pytest.approx(9.31, abs=0.02)
    assert record.values["gamma_max_small_THz"] == pytest.approx(5.10, abs=0.02)
    assert record.values["roughness_percent"] == pytest.approx(12.4, abs=0.2)
    assert report.consistency["phonon_roughness_percent_median"] == pytest.approx(12.4, abs=0.2)
    assert len(record.values["bands"]["frequency_THz"]) == 6


@pytest.mark.trained
@pytest.mark.slow
@pytest.mark.sandbox
def test_chgnet_is_judged_by_a_measured_mode_without_any_download(tmp_path: Path) -> None:
    pytest.importorskip("chgnet")
    task = standard_task("phonons-measured-small")
    reference = build(task.reference_name, cache=tmp_path)
    potential = resolve("chgnet:0.3.0", tmp_path)
    report = evaluate(
        task.spec,
        potential.spec,
        potential.artifact,
        reference.path,
        sandbox=find_sandbox(),
        only=["measured-Si-diamond"],
    )

    assert report.verdict is Verdict.OK, report.message
    assert report.provenance["dtype_requested"] == report.provenance["dtype"] == "float64"
    (record,) = report.systems
    assert record.reference["gamma_max_THz"] == 15.5952
    # Computed with this project's first release: too soft, as CHGNet's phonons are.
    assert record.values["gamma_max_THz"] == pytest.approx(13.38, abs=0.05)
    error = next(score for score in report.scores if score.metric == "gamma_max_relative_error")
    assert error.value == pytest.approx(100 * (1 - 13.38 / 15.5952), abs=0.4)
