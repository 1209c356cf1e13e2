from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.contract import ScoredMetric, SystemStatus, TaskSpec
from evaluator.protocols.base import Outcome, Sample, System, SystemFailure, UnsuitableReference
from evaluator.protocols.energy_forces import EnergyForcesProtocol
from evaluator.scoring import score

DESCRIPTION = DESCRIPTIONS["energy_forces"]
PROTOCOL = EnergyForcesProtocol()
SHIFTED = {"energy_reference": "composition_shift"}
AS_IS = {"energy_reference": "as_is"}


class Distorted(Calculator):
    """EMT, made wrong in a known way."""

    def __init__(
        self,
        *,
        force_factor: float = 1.0,
        stress_offset: float = 0.0,
        energy_by_number: dict[int, float] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.emt, self.force_factor, self.stress_offset = EMT(), force_factor, stress_offset
        self.energy_by_number = energy_by_number or {}
        self.implemented_properties = [
            name for name in ("energy", "forces", "stress") if name not in without
        ]

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        self.emt.calculate(atoms, ["energy", "forces", "stress"], all_changes)
        found = self.emt.results
        offset = sum(self.energy_by_number.get(int(z), 0.0) for z in atoms.numbers)
        self.results = {
            "energy": found["energy"] + offset,
            "forces": self.force_factor * found["forces"],
            "stress": found["stress"] + self.stress_offset,
        }


def rattled(symbol: str, seed: int, repeat: int = 2) -> Atoms:
    atoms: Atoms = bulk(symbol, cubic=True).repeat((repeat, 1, 1))
    atoms.rattle(0.1, seed=seed)
    return atoms


def system(index: int, atoms: Atoms, *, stress: bool = True) -> System:
    emt = EMT()
    emt.calculate(atoms, ["energy", "forces", *(["stress"] if stress else [])], all_changes)
    reference = {"energy": float(emt.results["energy"]), "forces": emt.results["forces"].copy()}
    if stress:
        reference["stress"] = emt.results["stress"].copy()
    return System(id=f"s{index}", atoms=atoms, reference=reference, family=str(atoms.symbols[0]))


@pytest.fixture(scope="module")
def systems() -> list[System]:
    frames = [rattled("Cu", 0), rattled("Au", 1, 3), rattled("Ni", 2, 1), rattled("Cu", 3)]
    return [system(i, atoms) for i, atoms in enumerate(frames)]


def judge(
    systems: Sequence[System], calculator: Calculator, parameters: dict[str, str] = SHIFTED
) -> tuple[list[Outcome], dict[str, Sample]]:
    outcomes = [PROTOCOL.simulate(s, calculator, parameters) for s in systems]
    return outcomes, PROTOCOL.samples(systems, outcomes, parameters)[0]


def pooled(samples: dict[str, Sample], key: str) -> float:
    metric = ScoredMetric(key=key, good=1.0, bad=0.5, worst=1e6)
    task = TaskSpec(
        slug="t", version=1, protocol="energy_forces", protocol_version=1, parameters={},
        metrics=(metric,),
    )  # fmt: skip
    ok = [SystemStatus.OK] * len(samples[key].values)
    (record,), _ = score(task, ok, samples, n_replicates=10)
    assert record.value is not None
    return record.value


def test_the_reference_itself_has_no_errors(systems: list[System]) -> None:
    _, samples = judge(systems, EMT())
    assert set(samples) == set(DESCRIPTION.metrics)
    best = {"force_cosine_mean": 1, "softening_slope": 1, "softening_slope_median": 1}
    for key in samples:
        assert pooled(samples, key) == pytest.approx(best.get(key, 0), abs=1e-9), key


def test_soft_forces_are_told_by_every_force_metric(systems: list[System]) -> None:
    _, samples = judge(systems, Distorted(force_factor=0.8))
    forces = np.concatenate([s.reference["forces"] for s in systems])

    assert pooled(samples, "softening_slope") == pytest.approx(0.8)
    assert pooled(samples, "softening_slope_median") == pytest.approx(0.8)
    assert pooled(samples, "force_mae") == pytest.approx(0.2 * np.mean(np.abs(forces)))
    assert pooled(samples, "force_rmse") == pytest.approx(0.2 * np.sqrt(np.mean(forces**2)))
    assert pooled(samples, "force_relative_error") == pytest.approx(0.2)
    assert pooled(samples, "force_corrected_mae") == pytest.approx(0, abs=1e-12)
    assert pooled(samples, "force_cosine_mean") == pytest.approx(1)
    lengths = np.linalg.norm(forces, axis=1)
    assert pooled(samples, "force_magnitude_mae") == pytest.approx(0.2 * lengths.mean())
    assert pooled(samples, "force_vector_error") == pytest.approx(0.2 * lengths.mean())
    by_structure = [0.2 * np.mean(np.abs(s.reference["forces"])) for s in systems]
    assert pooled(samples, "force_structure_mae") == pytest.approx(np.mean(by_structure))


def test_pooled_slope_is_the_slope_of_all_components(systems: list[System]) -> None:
    outcomes, samples = judge(systems, Distorted(force_factor=0.8))
    noisy = [
        Outcome(values=o.values, arrays=o.arrays | {"forces": o.arrays["forces"] * (1 + 0.1 * i)})
        for i, o in enumerate(outcomes)
    ]
    samples, _ = PROTOCOL.samples(systems, noisy, SHIFTED)
    x = np.concatenate([s.reference["forces"].ravel() for s in systems])
    y = np.concatenate([o.arrays["forces"].ravel() for o in noisy])
    assert pooled(samples, "softening_slope") == pytest.approx(x @ y / (x @ x))


def test_slopes_of_structures_near_their_minimum_make_no_skill() -> None:
    """In mlearn's strained copper the largest force is rounding: each slope of it was wrong."""
    still = bulk("Cu", cubic=True)
    still.positions[0] += 1e-4
    both = [system(0, still), system(1, rattled("Cu", 0))]
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(4, 3))
    outcomes, _ = judge(both, EMT())
    outcomes[0].arrays["forces"] += noise
    samples, _ = PROTOCOL.samples(both, outcomes, SHIFTED)
    slope = ScoredMetric(key="softening_slope", good=1.0, bad=0.5, worst=0.0, noise=0.02)
    task = TaskSpec(
        slug="t", version=1, protocol="energy_forces", protocol_version=1, parameters={},
        metrics=(slope,),
    )  # fmt: skip
    (record,), _ = score(task, [SystemStatus.OK] * 2, samples, n_replicates=10)
    assert record.skills == (None, 1.0)
    assert record.n == 2
    (failed,), _ = score(task, [SystemStatus.FAILED] * 2, samples, n_replicates=10)
    assert failed.skills == (None, 0.0)


def test_composition_shift_takes_off_energies_by_element_and_says_them(
    systems: list[System],
) -> None:
    shifted = Distorted(energy_by_number={29: 0.5, 79: -2.0})
    outcomes, samples = judge(systems, shifted, SHIFTED)
    summary = PROTOCOL.summary(systems, outcomes, SHIFTED)
    assert pooled(samples, "energy_mae") == pytest.approx(0, abs=1e-9)
    assert summary["energy_shift_eV_per_atom"] == pytest.approx(
        {"Au": -2.0, "Cu": 0.5, "Ni": 0.0}, abs=1e-12
    )

    outcomes, samples = judge(systems, shifted, AS_IS)
    assert pooled(samples, "energy_mae") == pytest.approx(1000 * (0.5 + 2.0 + 0 + 0.5) / 4)
    assert pooled(samples, "energy_rmse") == pytest.approx(1000 * np.sqrt((0.5 + 4.0) / 4))
    assert PROTOCOL.summary(systems, outcomes, AS_IS)["energy_shift_eV_per_atom"] == {}


def test_shift_is_fitted_on_the_systems_that_did_not_fail(systems: list[System]) -> None:
    outcomes: list[Outcome | None] = list(judge(systems, EMT())[0])
    lost = outcomes[0]
    assert lost is not None
    lost.arrays["energy"][0] += 100.0
    outcomes[0] = None
    samples, rows = PROTOCOL.samples(systems, outcomes, SHIFTED)
    assert samples["energy_mae"].values[1:] == pytest.approx([0, 0, 0], abs=1e-9)
    assert np.isnan(samples["energy_mae"].values[0])
    assert rows[0] == {}
    assert rows[1]["energy_error_meV_per_atom"] == pytest.approx(0, abs=1e-9)


def test_energy_relative_error_of_the_composition_dummy_is_one(systems: list[System]) -> None:
    _, samples = judge(systems, Distorted())
    zero = [
        Outcome(values={}, arrays={"energy": np.zeros(1), "forces": np.zeros((len(s.atoms), 3))})
        for s in systems
    ]
    samples, _ = PROTOCOL.samples(systems, zero, SHIFTED)
    assert pooled(samples, "energy_relative_error") == pytest.approx(1)
    assert pooled(samples, "force_relative_error") == pytest.approx(1)


def test_set_whose_compositions_explain_everything_has_no_relative_energy_error(
    systems: list[System],
) -> None:
    _, samples = judge(systems[:3], Distorted())  # three elements, three structures
    assert samples["energy_relative_error"].missing.all()


def test_stress_errors_are_in_gigapascal_and_left_out_where_there_is_no_reference(
    systems: list[System],
) -> None:
    mixed = [*systems, system(4, rattled("Al", 5), stress=False)]
    _, samples = judge(mixed, Distorted(stress_offset=0.01))
    assert samples["stress_mae"].missing.tolist() == [False] * 4 + [True]
    assert pooled(samples, "stress_mae") == pytest.approx(1.6021766208)
    assert pooled(samples, "stress_rmse") == pytest.approx(1.6021766208)


def test_potential_without_stress_is_charged_not_left_out(systems: list[System]) -> None:
    _, samples = judge(systems, Distorted(without=["stress"]))
    assert np.isnan(samples["stress_mae"].values).all()
    assert not samples["stress_mae"].missing.any()


def test_potential_without_forces_fails(systems: list[System]) -> None:
    with pytest.raises(SystemFailure, match="no forces"):
        PROTOCOL.simulate(systems[0], Distorted(without=["forces"]), SHIFTED)


def test_failed_system_keeps_its_weight(systems: list[System]) -> None:
    outcomes, samples = judge(systems, EMT())
    without, _ = PROTOCOL.samples(systems, [None, *outcomes[1:]], SHIFTED)
    for key, sample in samples.items():
        assert without[key].weights.tolist() == sample.weights.tolist(), key


def test_record_and_reference_have_the_same_names_where_both_are_known(
    systems: list[System],
) -> None:
    values = PROTOCOL.simulate(systems[0], EMT(), SHIFTED).values
    reference = PROTOCOL.reference_values(systems[0])
    assert set(reference) == {"energy_per_atom_eV", "force_rms_eV_A", "pressure_GPa"}
    assert {name: values[name] for name in reference} == pytest.approx(reference)
    assert values["n_atoms"] == 8 and values["formula"] == "Cu8"


def test_every_column_of_the_catalog_is_in_a_record(systems: list[System]) -> None:
    values = PROTOCOL.simulate(systems[0], EMT(), SHIFTED).values
    own = {"own_energy_uncertainty_meV_per_atom"}  # of potentials that have one alone
    assert {column.name for column in DESCRIPTION.columns} - own <= set(values)


def test_summary_tells_errors_by_element_family_and_force(systems: list[System]) -> None:
    outcomes, _ = judge(systems, Distorted(force_factor=0.8))
    summary = PROTOCOL.summary(systems, outcomes, SHIFTED)
    gold = np.mean(np.abs(systems[1].reference["forces"]))
    assert set(summary["force_mae_by_element"]) == {"Au", "Cu", "Ni"}
    assert summary["force_mae_by_element"]["Au"] == pytest.approx(0.2 * gold)
    assert summary["force_mae_by_family"]["Cu"]["n_structures"] == 2
    assert summary["softening"]["fraction_below_one"] == 1
    assert summary["softening"]["slope_with_intercept"] == pytest.approx(0.8)
    n_atoms = sum(b["n_atoms"] for b in summary["force_error_by_reference_force"])
    assert n_atoms == sum(len(s.atoms) for s in systems)


class Unsure(Distorted):
    """Wrong by as much as it says, up to a factor, in a direction of chance."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.rng = factor, np.random.default_rng(1)
        self.implemented_properties = [*self.implemented_properties, "energy_uncertainty"]

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        sigma = len(atoms) * float(np.exp(self.rng.normal()))
        self.results["energy"] += self.rng.normal(0, sigma)
        self.results["energy_uncertainty"] = self.factor * sigma


def test_a_potentials_own_uncertainty_is_compared_with_its_errors() -> None:
    copper = [system(i, rattled("Cu", i, 1)) for i in range(60)]
    told = {}
    for factor in (1.0, 0.1):
        outcomes, _ = judge(copper, Unsure(factor), AS_IS)
        told[factor] = PROTOCOL.summary(copper, outcomes, AS_IS)["own_energy_uncertainty"]
    assert told[1.0]["n"] == 60
    assert told[1.0]["miscalibration_area"] < 0.1 < 0.3 < told[0.1]["miscalibration_area"]
    assert told[1.0]["ence"] < 0.6 < 5 < told[0.1]["ence"]
    assert told[0.1]["rms_uncertainty_meV_per_atom"] < 0.2 * told[0.1]["rms_error_meV_per_atom"]
    _, rows = PROTOCOL.samples(copper, outcomes, AS_IS)
    own = [row["own_energy_uncertainty_meV_per_atom"] for row in rows]
    assert own[0] == pytest.approx(1000 * outcomes[0].arrays["energy_uncertainty"][0] / 4)


@pytest.mark.parametrize("factor", [1e-320, 1e-300, 1e200, 1e304])
def test_an_absurd_own_uncertainty_breaks_nothing(factor: float) -> None:
    copper = [system(i, rattled("Cu", i, 1)) for i in range(20)]
    outcomes, _ = judge(copper, Unsure(factor), AS_IS)
    told = PROTOCOL.summary(copper, outcomes, AS_IS)["own_energy_uncertainty"]
    assert told["n"] == 20
    assert np.isfinite([*told.values()]).all()
    assert told["miscalibration_area"] == pytest.approx(0.5, abs=0.01)


def test_no_score_follows_from_an_own_uncertainty(systems: list[System]) -> None:
    outcomes, samples = judge(systems, Unsure(1.0))
    assert "own_energy_uncertainty" not in PROTOCOL.summary(systems, outcomes, SHIFTED)  # too few
    assert not [key for key in samples if "uncertainty" in key]


def test_errors_on_frames_are_those_that_are_scored(systems: list[System]) -> None:
    calculator = Distorted(force_factor=0.8, energy_by_number={29: 0.3, 79: -0.2, 28: 0.1})
    outcomes, _ = judge(systems, calculator)
    errors = PROTOCOL.frame_errors(systems, [*outcomes[:3], None], SHIFTED)
    assert errors is not None
    # One energy for each element is no error, after the shift.
    np.testing.assert_allclose(errors.energies_meV_atom, [0, 0, 0, np.nan], atol=1e-6)
    forces = [system.reference["forces"] for system in systems]
    for found, reference in zip(errors.forces_eV_A[:3], forces[:3], strict=True):
        np.testing.assert_allclose(found, -0.2 * reference)
    assert errors.forces_eV_A[3].shape == forces[3].shape
    assert np.isnan(errors.forces_eV_A[3]).all()


def test_permuting_the_systems_changes_no_pooled_number(systems: list[System]) -> None:
    calculator = Distorted(force_factor=0.7, stress_offset=0.01, energy_by_number={29: 0.1})
    _, forward = judge(systems, calculator, AS_IS)
    _, backward = judge(systems[::-1], calculator, AS_IS)
    for key in forward:
        assert pooled(backward, key) == pytest.approx(pooled(forward, key)), key


@pytest.mark.parametrize(
    ("missing", "metric"),
    [("forces", "force_mae"), ("energy", "energy_mae"), ("forces", "softening_slope")],
)
def test_reference_without_a_property_is_unsuitable(
    systems: list[System], missing: str, metric: str
) -> None:
    rest = {key: value for key, value in systems[1].reference.items() if key != missing}
    bad = System(id="bad-one", atoms=systems[1].atoms, reference=rest)
    with pytest.raises(UnsuitableReference, match=f"bad-one has no reference {missing}"):
        PROTOCOL.check_reference([systems[0], bad], [metric])


def test_stress_metric_needs_one_system_with_stress(systems: list[System]) -> None:
    bare = system(0, rattled("Cu", 0), stress=False)
    PROTOCOL.check_reference([bare, systems[1]], ["stress_mae"])
    with pytest.raises(UnsuitableReference, match="s0 has no reference stress"):
        PROTOCOL.check_reference([bare], ["stress_mae"])


def test_forces_of_another_shape_are_unsuitable(systems: list[System]) -> None:
    bad = System(id="b", atoms=systems[0].atoms, reference={"forces": np.zeros((2, 3))})
    with pytest.raises(UnsuitableReference, match=r"must be finite numbers of shape \(8, 3\)"):
        PROTOCOL.check_reference([bad], ["force_mae"])


def test_molecules_without_stress_are_judged() -> None:
    water = molecule("H2O")
    water.rattle(0.05, seed=1)
    judged = system(0, water, stress=False)
    values = PROTOCOL.simulate(judged, EMT(), AS_IS).values
    assert values["force_mae_eV_A"] == pytest.approx(0)
    assert "pressure_GPa" not in values
