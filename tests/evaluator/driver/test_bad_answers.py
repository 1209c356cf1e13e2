"""Calculators that answer badly, gathered in batches: each ends in a stated record or verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk

from evaluator.contract import EvaluationReport, SystemStatus, Verdict
from evaluator.driver.evaluation import evaluate
from evaluator.pool.pool import PoolPlan
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.find import find_sandbox
from tests.evaluator.small_tasks import submission_of, task_on, write_forces, write_package

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]

METALS = ("Cu", "Al", "Ag", "Au", "Ni", "Pd")
BATCHES = PoolPlan(n_processes=1, max_batch=4, n_systems=8)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return find_sandbox()


def run(sandbox: Sandbox, folder: Path, after: str) -> EvaluationReport:
    """Single points of six metals with ASE's EMT, to which a line is added."""
    structures = []
    for seed, symbol in enumerate(METALS):
        atoms = bulk(symbol, cubic=True)
        atoms.rattle(0.05, seed=seed)
        structures.append(atoms)
    reference = write_forces(folder / "metals.extxyz", structures)
    artifact = write_package(folder, after=after)
    return evaluate(
        task_on(reference, "energy_forces"),
        submission_of(artifact, "package"),
        artifact,
        reference,
        sandbox=sandbox,
        plan=BATCHES,
    )


def failures(report: EvaluationReport) -> dict[str, str]:
    """Messages of the systems that failed, by formula of the reference's order."""
    pairs = zip(METALS, report.systems, strict=True)
    return {symbol: s.message for symbol, s in pairs if s.status is SystemStatus.FAILED}


@pytest.mark.slow
def test_forces_for_another_number_of_atoms_fail_their_structure_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    report = run(
        sandbox,
        tmp_path,
        "if 'Ag' in atoms.symbols:\n    self.results['forces'] = self.results['forces'][:-1]",
    )
    assert report.verdict is Verdict.OK
    found = failures(report)
    assert list(found) == ["Ag"]
    assert "(3, 3), not (4, 3)" in found["Ag"]
    assert report.scores[0].n_failed == 1


@pytest.mark.slow
def test_a_calculator_that_adds_an_atom_to_what_it_was_asked_about_fails_that_structure(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    report = run(
        sandbox,
        tmp_path,
        "if 'Au' in atoms.symbols:\n"
        "    atoms.append('Au')\n"
        "    self.results['forces'] = np.zeros((len(atoms), 3))",
    )
    assert report.verdict is Verdict.OK
    found = failures(report)
    assert list(found) == ["Au"]
    assert "not (4, 3)" in found["Au"]


@pytest.mark.slow
def test_nan_fails_its_structure_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    report = run(
        sandbox, tmp_path, "if 'Pd' in atoms.symbols:\n    self.results['forces'][0, 0] = np.nan"
    )
    assert report.verdict is Verdict.OK
    found = failures(report)
    assert list(found) == ["Pd"]
    assert "not finite" in found["Pd"]


def test_nan_everywhere_is_a_verdict(sandbox: Sandbox, tmp_path: Path) -> None:
    report = run(sandbox, tmp_path, "self.results['energy'] = np.nan")
    assert report.verdict is Verdict.NONFINITE
    assert report.scores == ()
    assert set(failures(report)) == set(METALS)


@pytest.mark.slow
def test_a_calculator_that_is_not_deterministic_is_scored_and_its_scatter_published(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    noise = "self.results['energy'] += np.random.default_rng().normal(scale=1e-3)"
    report = run(sandbox, tmp_path, noise)
    assert report.verdict is Verdict.OK
    assert report.consistency["repeat_energy_error_meV_atom_max"] > 1e-3
    assert report.consistency["is_conservative_measured"] is False

    (tmp_path / "steady").mkdir()
    steady = run(sandbox, tmp_path / "steady", "pass")
    assert steady.consistency["repeat_energy_error_meV_atom_max"] == 0
    assert steady.consistency["is_conservative_measured"] is True


@pytest.mark.slow
def test_energies_a_tenth_of_an_electronvolt_apart_at_each_asking_are_not_scored(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    # Steps of one sign, so that any two answers lie so far apart: by at least 25 meV/atom, where
    # probes allow 10. Noise about zero of this size now and then has too many answers alike.
    wander = (
        "self.error = getattr(self, 'error', 0.0) + np.random.default_rng().uniform(0.1, 0.2)\n"
        "self.results['energy'] += self.error"
    )
    report = run(sandbox, tmp_path, wander)
    assert report.verdict is Verdict.INCONSISTENT
    assert "On 6 of 6 structures the answer changed by more than 10 meV/atom" in report.message
    assert report.scores == ()
    assert report.task_score is None
    assert failures(report) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("import asyncio\nraise asyncio.CancelledError('off')", "CancelledError: off"),
        ("raise ValueError('half \\ud800')", "ValueError: half \\ud800"),
        ("import os\nos.close(1)\nos.close(2)\nraise ValueError('mute')", "ValueError: mute"),
    ],
)
def test_whatever_is_raised_fails_its_structure_in_its_own_words(
    raised: str, message: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    lines = "\n".join(f"    {line}" for line in raised.splitlines())
    report = run(sandbox, tmp_path, f"if 'Ag' in atoms.symbols:\n{lines}")
    assert report.verdict is Verdict.OK
    assert failures(report) == {"Ag": message}
