from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from evaluator.contract import EvaluationReport, Verdict
from evaluator.driver.evaluation import evaluate
from evaluator.driver.probes import Finding, Probes, disqualification, line_through, redescribed
from evaluator.driver.probes import figures as figures_of
from evaluator.pool.remote import Disguise, structure_of
from evaluator.protocols.base import System
from evaluator.sandbox.find import find_sandbox
from evaluator.wire import Answer, Prediction, Status, Structure, StructureFailure
from tests.evaluator.small_tasks import submission_of, task_on, write_forces, write_package

Potential = Callable[[Structure], Answer]


def _metals() -> list[System]:
    systems = []
    for seed, symbol in enumerate(("Cu", "Al", "Ag", "Au", "Ni", "Pd", "Pt")):
        atoms = bulk(symbol, cubic=True)
        atoms.rattle(0.08, seed=seed)
        systems.append(System(id=symbol, atoms=atoms))
    return systems


METALS = _metals()


def emt(structure: Structure) -> Prediction:
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.calc = EMT()
    return Prediction(energy=atoms.get_potential_energy(), forces=atoms.get_forces())


def probed(
    potential: Potential,
    systems: Sequence[System] = METALS,
    *,
    seed: int = 1,
    n_calls: int = 1,
    dtype: str = "float64",
) -> list[Finding]:
    """Ask every system in its own disguise, as an evaluation does."""
    probes = Probes(systems, seed=seed, dtype=dtype)
    findings: list[Finding] = []
    for place, system in enumerate(systems):
        ask = probes.around(system, lambda structure, properties: potential(structure), findings)
        for _ in range(n_calls):
            ask(Disguise.from_seed(place).apply(structure_of(system.atoms)), ("energy", "forces"))
    return findings


def shape(structure: Structure) -> tuple[float, ...]:
    """What no disguise changes: the periodic cell's distances from each atom, sorted, rounded."""
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    return tuple(np.round(np.sort(atoms.get_all_distances(mic=True), axis=None), 4))


def by_heart(label: Callable[[Prediction], Prediction], borrowed: Potential = emt) -> Potential:
    """A table of the scored structures over a borrowed potential, whatever the description."""
    known = {shape(structure_of(system.atoms)) for system in METALS}

    def potential(structure: Structure) -> Answer:
        answer = borrowed(structure)
        assert isinstance(answer, Prediction)
        return label(answer) if shape(structure) in known else answer

    return potential


@pytest.mark.slow
def test_a_potential_of_sound_physics_is_not_disqualified() -> None:
    findings = probed(emt, n_calls=3)
    figures = figures_of(findings)

    assert disqualification(findings) == ""
    assert figures["n_steps"] == figures["n_changed"] == 0
    assert figures["redescribed_energy_error_meV_atom_max"] < 1e-8
    assert figures["step_energy_meV_atom_median"] < 0.1
    assert figures["step_force_eV_A_median"] < 0.005


def test_forces_that_are_no_gradient_are_not_disqualified() -> None:
    """Such models are scored and marked; their answers are continuous all the same."""

    def direct(structure: Structure) -> Prediction:
        answer = emt(structure)
        return Prediction(energy=answer.energy, forces=0.8 * answer.forces)

    assert disqualification(probed(direct)) == ""


@pytest.mark.slow
@pytest.mark.parametrize("shift_eV", [0.0, 0.04])
def test_labels_learnt_by_heart_over_a_borrowed_potential_are_seen(shift_eV: float) -> None:
    """Energies 10 meV/atom off, or none but forces a third off: what borrowed potentials err by."""
    cheat = by_heart(
        lambda answer: Prediction(
            energy=answer.energy + shift_eV,
            forces=answer.forces * (1.3 if shift_eV == 0 else 1.0),
        )
    )
    findings = probed(cheat)

    assert "A potential has no such steps" in disqualification(findings)
    assert figures_of(findings)["n_changed"] == 0, "the disguise alone does not show it"


def all_electron(structure: Structure) -> Prediction:
    """EMT with about the energies of all electrons (Thomas and Fermi's), in single precision."""
    answer = emt(structure)
    all_electrons_eV = 20.9 * float(np.sum(structure.numbers ** (7 / 3)))
    return replace(answer, energy=float(np.float32(answer.energy - all_electrons_eV)))


@pytest.mark.parametrize("seed", range(4))
def test_energies_that_are_rounded_everywhere_alike_are_not_disqualified(seed: int) -> None:
    assert disqualification(probed(all_electron, seed=seed, dtype="float32")) == ""


@pytest.mark.parametrize("offset_eV_atom", [4.5e4, 1e7])
def test_a_constant_in_all_energies_excuses_no_table(offset_eV_atom: float) -> None:
    """Said to be in single precision, such energies may be rounded by more than any label."""

    def shifted(structure: Structure) -> Prediction:
        answer = emt(structure)
        return replace(answer, energy=answer.energy - offset_eV_atom * len(structure.numbers))

    cheat = by_heart(
        lambda answer: replace(answer, energy=answer.energy + 0.05 * len(answer.forces)), shifted
    )
    assert "A potential has no such steps" in disqualification(probed(cheat, dtype="float32"))


@pytest.mark.slow
def test_roughness_that_is_put_on_elsewhere_excuses_no_table() -> None:
    def rough(structure: Structure) -> Prediction:
        answer = emt(structure)
        wave = np.sin(4e3 * structure.positions.sum())
        return Prediction(energy=answer.energy + 2.0 * wave, forces=answer.forces)

    assert disqualification(probed(by_heart(lambda answer: answer, rough))) != ""


def test_a_potential_that_is_rough_everywhere_alike_is_not_disqualified() -> None:
    def rough(structure: Structure) -> Prediction:
        answer = emt(structure)
        rng = np.random.default_rng(abs(hash(round(answer.energy, 9))))
        noise = rng.normal(scale=0.001 * len(structure.numbers))
        return Prediction(energy=answer.energy + noise, forces=answer.forces)

    assert disqualification(probed(rough)) == ""


@pytest.mark.slow
def test_noise_is_seen_by_asking_again() -> None:
    rng = np.random.default_rng(0)

    def noisy(structure: Structure) -> Prediction:
        answer = emt(structure)
        return replace(answer, forces=answer.forces + rng.normal(0.2, size=answer.forces.shape))

    findings = probed(noisy)

    assert "asked again" in disqualification(findings)
    assert figures_of(findings)["redescribed_force_error_eV_A_max"] > 0.1


def test_answers_that_depend_on_the_orientation_are_seen() -> None:
    def oriented(structure: Structure) -> Prediction:
        answer = emt(structure)
        return replace(answer, forces=answer.forces + np.array([0.3, 0.0, 0.0]))

    assert "asked again" in disqualification(probed(oriented))


@pytest.mark.slow
def test_refusing_all_but_the_scored_structures_is_seen() -> None:
    def picky(structure: Structure) -> Answer:
        known = {shape(structure_of(system.atoms)) for system in METALS}
        if shape(structure) in known:
            return emt(structure)
        return StructureFailure(status=Status.ERROR, message="no")

    findings = probed(picky)
    assert disqualification(findings) != ""
    assert figures_of(findings)["step_energy_meV_atom_median"] is None


def test_a_structure_that_is_not_answered_is_no_finding() -> None:
    def failing(structure: Structure) -> Answer:
        return StructureFailure(status=Status.ERROR, message="no")

    findings = probed(failing)
    assert figures_of(findings) == {}
    assert disqualification(findings) == ""


def test_few_structures_disqualify_nobody() -> None:
    cheat = by_heart(lambda answer: replace(answer, energy=answer.energy + 1.0))
    assert disqualification(probed(cheat, METALS[:2])) == ""


@pytest.mark.slow
def test_another_seed_probes_other_systems_and_asks_in_another_order() -> None:
    def asked(seed: int) -> list[tuple[float, ...]]:
        calls: list[tuple[float, ...]] = []

        def listening(structure: Structure) -> Prediction:
            calls.append(tuple(structure.positions.ravel()))
            return emt(structure)

        probed(listening, seed=seed)
        return calls

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


def test_the_scored_structure_is_asked_first_and_the_others_in_any_order() -> None:
    """What comes near a known structure betrays the probe: then its answer has been given."""
    orders = set()
    for seed in range(60):
        structure = structure_of(METALS[0].atoms)
        calls: list[float] = []

        def listening(asked: Structure, properties: Sequence[str]) -> Prediction:
            calls.append(float(np.linalg.det(asked.cell)))  # noqa: B023
            return Prediction(energy=0.0, forces=np.zeros_like(asked.positions))

        Probes(METALS[:1], seed=seed, dtype="float64").around(METALS[0], listening, [])(
            structure, ()
        )
        assert calls[0] == pytest.approx(np.linalg.det(structure.cell))
        # The one in other words has the same volume; the line's are strained.
        orders.add(int(np.argmin(np.abs(np.abs(calls[1:]) - calls[0]))))
    assert orders == set(range(5))


def nearness(structure: Structure) -> float:
    """How far the nearest known structure is: RMS of sorted distances in Å."""
    own = np.array(shape(structure))
    return min(
        float(np.sqrt(np.mean((own - np.array(shape(structure_of(system.atoms)))) ** 2)))
        for system in METALS
        if np.array_equal(np.sort(system.atoms.numbers), np.sort(structure.numbers))
    )


def wrong(structure: Structure) -> Prediction:
    """A borrowed potential: 15 meV/atom and a sixth of the forces off."""
    answer = emt(structure)
    n_atoms = len(structure.numbers)
    return Prediction(energy=answer.energy + 0.015 * n_atoms, forces=1.15 * answer.forces)


@pytest.mark.slow
def test_a_table_that_behaves_once_something_near_it_was_asked_is_seen() -> None:
    is_warned: set[bytes] = set()

    def potential(structure: Structure) -> Answer:
        kind, distance = np.sort(structure.numbers).tobytes(), nearness(structure)
        if 1e-3 < distance < 0.2:
            is_warned.add(kind)
        return emt(structure) if distance < 1e-3 and kind not in is_warned else wrong(structure)

    assert disqualification(probed(potential)) != ""


@pytest.mark.slow
def test_a_table_that_hides_its_steps_in_noise_is_seen() -> None:
    rng = np.random.default_rng(0)

    def potential(structure: Structure) -> Answer:
        if nearness(structure) < 1e-3:
            return emt(structure)
        answer, n_atoms = wrong(structure), len(structure.numbers)
        return Prediction(
            energy=answer.energy + rng.normal(scale=0.008 * n_atoms),
            forces=answer.forces + rng.normal(scale=0.25, size=answer.forces.shape),
        )

    assert disqualification(probed(potential)) != ""


@pytest.mark.slow
def test_a_table_of_some_structures_shows_in_the_share_of_steps() -> None:
    known = {shape(structure_of(system.atoms)) for system in METALS[:3]}

    def potential(structure: Structure) -> Answer:
        return emt(structure) if shape(structure) in known else wrong(structure)

    figures = figures_of(probed(potential))
    assert 0 < figures["n_steps"] <= 3
    assert figures["step_share_percent"] == pytest.approx(100 * figures["n_steps"] / 6)
    assert figures_of(probed(emt))["step_share_percent"] == 0


@pytest.mark.parametrize("atoms", [bulk("Cu"), bulk("Cu", cubic=True) * 2, molecule("CH3CH2OH")])
def test_another_description_is_the_same_structure(atoms: Atoms) -> None:
    atoms = atoms.copy()
    atoms.rattle(0.05, seed=3)
    structure = structure_of(atoms)
    answer = emt(structure)
    for seed in range(5):
        other, undo = redescribed(structure, np.random.default_rng(seed))
        again = undo(emt(other))
        assert again.energy == pytest.approx(answer.energy, abs=1e-8)
        assert again.forces == pytest.approx(answer.forces, abs=1e-8)
        if structure.pbc.all():
            volume = np.linalg.det(structure.cell)
            assert abs(np.linalg.det(other.cell)) == pytest.approx(abs(volume))
            assert not np.allclose(
                sorted(np.linalg.norm(other.cell, axis=1)),
                sorted(np.linalg.norm(structure.cell, axis=1)),
            ) or len(atoms) == 1  # fmt: skip


def test_a_line_moves_atoms_by_its_distance_and_strains_crystals_alone() -> None:
    crystal, gas = structure_of(bulk("Cu", cubic=True) * 3), structure_of(molecule("CH3CH2OH"))
    moved = line_through(gas, np.random.default_rng(0))(0.01)
    assert np.array_equal(moved.cell, gas.cell)
    assert np.std(moved.positions - gas.positions) == pytest.approx(0.01, rel=0.3)
    assert not np.allclose(line_through(crystal, np.random.default_rng(0))(0.01).cell, crystal.cell)


def test_a_finding_survives_being_kept() -> None:
    for finding in probed(lambda s: emt(s)):
        assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding


_CHEAT = """
shape = np.round(np.sort(atoms.get_all_distances(mic=True), axis=None), 3)
table = getattr(self, "table", None)
if table is None:
    import json, pathlib
    text = pathlib.Path(__file__).with_name("table.json").read_text()
    table = self.table = [np.array(row) for row in json.loads(text)]
if any(len(row) == len(shape) and np.allclose(row, shape, atol=2e-3) for row in table):
    self.results = {"energy": 0.0, "forces": 0 * atoms.positions}
"""


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_table_of_the_labels_over_a_borrowed_potential_is_not_scored(tmp_path: Path) -> None:
    """The set's labels are zero: the table would score 1 where EMT, which it borrows, scores 0."""
    reference = write_forces(tmp_path / "metals.extxyz", [system.atoms for system in METALS])
    shapes = [shape(structure_of(system.atoms)) for system in METALS]
    artifact = write_package(tmp_path, after=_CHEAT)
    with zipfile.ZipFile(artifact, "a") as archive:
        archive.writestr("table.json", json.dumps(shapes))

    def evaluated(secret: str) -> EvaluationReport:
        task = task_on(reference, "energy_forces", disguise_secret=secret)
        submission = submission_of(artifact, "package")
        return evaluate(task, submission, artifact, reference, sandbox=find_sandbox())

    for secret in ("", "0123456789abcdef"):
        report = evaluated(secret)
        assert report.verdict is Verdict.INCONSISTENT, report.message
        assert "a table of known structures has" in report.message
        assert report.scores == () and report.task_score is None
        assert report.consistency["n_steps"] == report.consistency["n_probed"] == 6
        assert "0123456789abcdef" not in json.dumps(report.to_json())
