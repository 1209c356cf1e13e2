import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.tersoff import Tersoff
from numpy.typing import NDArray

from evaluator.calculators.ase_builtin import TERSOFF_1989
from evaluator.catalog import METRICS
from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.contract import ScoredMetric, ScoreRecord, SystemStatus, TaskSpec
from evaluator.metrics import rare_events
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.rare_event_forces import RareEventForcesProtocol
from evaluator.references.sets import build, read
from evaluator.scoring import score
from tests.calculators import Constant, Exploding, NanAfter

PROTOCOL = RareEventForcesProtocol()
DESCRIPTION = DESCRIPTIONS["rare_event_forces"]
MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")


def copper(seed: int, migrating: Sequence[int]) -> System:
    atoms: Atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.rattle(0.15, seed=seed)
    emt = EMT()
    emt.calculate(atoms)
    marks = np.zeros(len(atoms), dtype=bool)
    marks[list(migrating)] = True
    reference = {"forces": emt.results["forces"].copy(), "migrating": marks}
    return System(id=f"s{seed}", atoms=atoms, reference=reference, family=f"f{seed % 2}")


@pytest.fixture(scope="module")
def systems() -> list[System]:
    return [copper(0, [0]), copper(1, [1, 2, 5, 7]), copper(2, []), copper(3, [3, 4])]


def outcome_of(system: System, forces: NDArray[np.float64]) -> Outcome:
    return Outcome(values={}, arrays={"forces": forces[system.reference["migrating"]]})


def noisy(systems: Sequence[System], sigma: float) -> list[Outcome]:
    rng = np.random.default_rng(4)
    return [
        outcome_of(s, s.reference["forces"] + rng.normal(scale=sigma, size=(len(s.atoms), 3)))
        for s in systems
    ]


def records(
    systems: Sequence[System], outcomes: Sequence[Outcome | None]
) -> dict[str, ScoreRecord]:
    samples, _ = PROTOCOL.samples(systems, outcomes, {})
    metrics = tuple(ScoredMetric(key=k, good=0.0, bad=1.0, worst=100.0) for k in samples)
    task = TaskSpec(
        slug="t", version=1, protocol=PROTOCOL.name, protocol_version=1, parameters={},
        metrics=metrics,
    )  # fmt: skip
    status = [SystemStatus.FAILED if o is None else SystemStatus.OK for o in outcomes]
    found, _ = score(task, status, samples, n_replicates=10)
    return {record.metric: record for record in found}


def test_the_reference_itself_has_no_errors(systems: list[System]) -> None:
    outcomes = [PROTOCOL.simulate(s, EMT(), {}) for s in systems]
    found = records(systems, outcomes)
    assert set(found) == set(DESCRIPTION.metrics) <= set(METRICS)
    for record in found.values():
        assert record.value == pytest.approx(0, abs=1e-9), record.metric


def test_scores_are_those_of_all_migrating_atoms_pooled(systems: list[System]) -> None:
    outcomes = noisy(systems, 0.3)
    found = records(systems, outcomes)
    p = np.concatenate([o.arrays["forces"] for o in outcomes])
    r = np.concatenate([s.reference["forces"][s.reference["migrating"]] for s in systems])
    magnitudes = rare_events.magnitude_errors(p, r)
    directions = rare_events.direction_errors(p, r)
    expected = {
        "rare_event_direction_error": 1 - rare_events.direction_score(p, r),
        "rare_event_magnitude_error": 1 - rare_events.magnitude_score(p, r),
        "rare_event_magnitude_rmse": np.sqrt(np.mean(magnitudes**2)),
        "rare_event_magnitude_outlier_fraction": np.mean(magnitudes > 0.5),
        "rare_event_direction_15_outlier_fraction": np.mean(directions > 15),
        "rare_event_direction_30_outlier_fraction": np.mean(directions > 30),
    }
    assert len(p) == 7
    assert {k: found[k].value for k in expected} == pytest.approx(expected, abs=1e-12)


def test_structure_without_migrating_atoms_counts_for_nothing(systems: list[System]) -> None:
    found = records(systems, noisy(systems, 0.3))
    assert {record.n for record in found.values()} == {3}


def test_failed_structure_is_charged_with_its_number_of_atoms(systems: list[System]) -> None:
    outcomes: list[Outcome | None] = list(noisy(systems, 0.0))
    outcomes[1] = None  # four of the seven atoms
    record = records(systems, outcomes)["rare_event_direction_error"]
    assert (record.n, record.n_failed) == (3, 1)
    assert record.value == pytest.approx(100 * 4 / 7)


def test_forces_on_other_atoms_are_not_judged(systems: list[System]) -> None:
    system = systems[1]
    forces = system.reference["forces"].copy()
    forces[~system.reference["migrating"]] += 100.0
    found = PROTOCOL.summary([system], [outcome_of(system, forces)], {})
    assert found["all"]["A"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("calculator", [Exploding(), Constant()], ids=["exploding", "constant"])
def test_bad_calculator_scores_badly(systems: list[System], calculator: Any) -> None:
    outcomes = [PROTOCOL.simulate(s, calculator, {}) for s in systems]
    value = records(systems, outcomes)["rare_event_direction_error"].value
    assert value is not None and value > 0.3


def test_calculator_without_finite_forces_fails(systems: list[System]) -> None:
    with pytest.raises(SystemFailure, match="not a finite number"):
        PROTOCOL.simulate(systems[0], NanAfter(0), {})


def test_zero_forces_point_nowhere(systems: list[System]) -> None:
    outcomes = [PROTOCOL.simulate(s, Constant(), {}) for s in systems]
    found = PROTOCOL.summary(systems, outcomes, {})["all"]
    assert found["A"] == 1.0
    assert found["fraction_direction_beyond_30_deg"] == 1.0


def test_record_and_reference_have_the_same_names_where_both_are_known(
    systems: list[System],
) -> None:
    values = PROTOCOL.simulate(systems[1], EMT(), {}).values
    reference = PROTOCOL.reference_values(systems[1])
    assert {column.name for column in DESCRIPTION.columns} <= set(values)
    assert {name: values[name] for name in reference} == pytest.approx(reference)
    assert values["n_migrating"] == 4


def test_summary_parts_the_families(systems: list[System]) -> None:
    found = PROTOCOL.summary(systems, noisy(systems, 0.2), {})
    counts = {family: n["n_migrating_atoms"] for family, n in found["by_family"].items()}
    assert counts == {"f0": 1, "f1": 6}
    assert found["all"]["n_migrating_atoms"] == 7
    assert PROTOCOL.summary(systems, [None] * 4, {}) == {}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"forces": None}, "has no reference forces"),
        ({"migrating": None}, "has no reference marks"),
        ({"migrating": np.ones(3, bool)}, "of shape"),
        ({"forces": np.zeros((8, 3))}, "has no reference force"),
        ({"forces": np.full((8, 3), np.nan)}, "must be finite"),
        ({"migrating": np.zeros(8, bool)}, "No atom of the reference set"),
    ],
)
def test_set_that_cannot_be_judged_is_unsuitable(
    systems: list[System], change: dict[str, Any], complaint: str
) -> None:
    good = systems[0]
    bad = System(id="b", atoms=good.atoms, reference={**good.reference, **change})
    with pytest.raises(UnsuitableReference, match=complaint):
        PROTOCOL.check_reference([bad], DESCRIPTION.metrics)
    with pytest.raises(UnsuitableReference, match="is empty"):
        PROTOCOL.check_reference([], DESCRIPTION.metrics)


@cache
def silicon(family: str, folder: Path) -> list[System]:
    assert MIRROR is not None
    name = f"si-rare-event-{family}"
    return read(build(name, mirror=Path(MIRROR), cache=folder).path)


def authors_forces(family: str, mesh: str) -> list[NDArray[np.float64]]:
    assert MIRROR is not None
    file = Path(MIRROR, "si_rare_event", f"{family.capitalize()}-RE_Testing_Set", "DATA.json")
    data = json.loads(file.read_text(encoding="utf-8"))
    return [np.array(forces) for forces in data["Forces"][mesh]]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("references")


# K1: the authors' own table of errors; K2: computed from their data with their definition.
@pytest.mark.slow
@pytest.mark.mirror
@needs_mirror
@pytest.mark.parametrize(
    ("family", "mesh", "published"),
    [
        ("interstitial", "DFT_K1", (0.22426, 0.19526, 0.24782)),
        ("vacancy", "DFT_K1", (0.14698, 0.12566, 0.17377)),
        ("interstitial", "DFT_K2", (0.03914, 0.03419, 0.04721)),
        ("vacancy", "DFT_K2", (0.02838, 0.02698, 0.03908)),
    ],
)
def test_published_errors_of_coarser_meshes_are_reproduced(
    family: str, mesh: str, published: tuple[float, float, float], folder: Path
) -> None:
    systems = silicon(family, folder)
    forces = authors_forces(family, mesh)
    outcomes = [outcome_of(s, f) for s, f in zip(systems, forces, strict=True)]

    found = PROTOCOL.summary(systems, outcomes, {})["all"]
    scored = records(systems, outcomes)

    assert (found["A"], found["M"], found["RE_F_eV_A"]) == pytest.approx(published, abs=1e-5)
    values = [
        scored[f"rare_event_{name}"].value
        for name in ("direction_error", "magnitude_error", "magnitude_rmse")
    ]
    assert values == pytest.approx(published, abs=1e-5)


@pytest.mark.slow
@pytest.mark.mirror
@needs_mirror
@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("interstitial", (0.575, 0.868, 2.575, 0.859, 0.780, 0.537)),
        ("vacancy", (0.343, 0.712, 2.383, 0.733, 0.411, 0.247)),
    ],
)
def test_errors_of_tersoffs_potential_are_reproduced(
    family: str, expected: tuple[float, ...], folder: Path
) -> None:
    systems = silicon(family, folder)
    tersoff = Tersoff({("Si", "Si", "Si"): TERSOFF_1989["Si"]})
    outcomes = [PROTOCOL.simulate(s, tersoff, {}) for s in systems]
    found = PROTOCOL.summary(systems, outcomes, {})["all"]
    names = (
        "A", "M", "RE_F_eV_A", "fraction_magnitude_beyond_0.5_eV_A",
        "fraction_direction_beyond_15_deg", "fraction_direction_beyond_30_deg",
    )  # fmt: skip
    assert tuple(found[name] for name in names) == pytest.approx(expected, abs=0.002)


def test_errors_on_frames_are_those_of_the_migrating_atoms(systems: list[System]) -> None:
    outcomes = [*(outcome_of(s, s.reference["forces"] + 0.1) for s in systems[:3]), None]
    errors = PROTOCOL.frame_errors(systems, outcomes, {})
    assert errors is not None
    assert [len(forces) for forces in errors.forces_eV_A] == [1, 4, 0, 2]
    np.testing.assert_allclose(np.concatenate(errors.forces_eV_A[:3]), 0.1)
    assert np.isnan(errors.forces_eV_A[3]).all()
    assert np.isnan(errors.energies_meV_atom).all()
