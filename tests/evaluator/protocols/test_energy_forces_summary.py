from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa

from evaluator.protocols.base import Outcome, System
from evaluator.protocols.energy_forces import EnergyForcesProtocol
from evaluator.protocols.energy_forces_summary import (
    ERROR_SHARES,
    PARITY_CELLS,
    ENERGY_BINS_eV,
    dummy_errors,
    energies_above_minimum,
    force_parity,
    material,
    summarise,
)


def system(symbol: str, seed: int, *, rattle: float = 0.1, repeat: int = 1) -> System:
    atoms: Atoms = bulk(symbol, cubic=True).repeat((repeat, 1, 1))
    atoms.rattle(rattle, seed=seed)
    emt = EMT()
    emt.calculate(atoms)
    reference = {"energy": emt.results["energy"], "forces": emt.results["forces"].copy()}
    return System(id=f"{symbol}-{seed}", atoms=atoms, reference=reference, family=symbol)


@pytest.fixture(scope="module")
def systems() -> list[System]:
    return [
        system("Cu", 0, rattle=0.01),
        system("Cu", 1, rattle=0.3, repeat=2),
        system("Au", 2),
        system("Ag", 3),
    ]


def scaled(systems: Sequence[System], factors: Sequence[float]) -> list[tuple[System, Outcome]]:
    return [
        (s, Outcome(values={}, arrays={"forces": f * s.reference["forces"]}))
        for s, f in zip(systems, factors, strict=True)
    ]


def test_each_material_counts_once_and_its_structures_are_pooled(systems: list[System]) -> None:
    found = summarise(scaled(systems, [0.5, 0.8, 0.9, 1.2]))["softening_by_material"]
    small, large = (float(np.sum(s.reference["forces"] ** 2)) for s in systems[:2])
    copper = (0.5 * small + 0.8 * large) / (small + large)
    slopes = [copper, 0.9, 1.2]
    assert found["n_materials"] == 3
    assert found["slope_mean"] == pytest.approx(np.mean(slopes))
    assert found["slope_median"] == pytest.approx(0.9)
    assert found["slope_std"] == pytest.approx(np.std(slopes))
    assert found["fraction_below_one"] == pytest.approx(2 / 3)


def test_slope_of_shifted_forces_differs_with_and_without_intercept(
    systems: list[System],
) -> None:
    outcomes = [(s, Outcome(values={}, arrays={"forces": 0.8 * s.reference["forces"] + 1.0}))
                for s in systems[2:]]  # fmt: skip
    found = summarise(outcomes)
    assert found["softening_by_material"]["slope_with_intercept_mean"] == pytest.approx(0.8)
    assert found["softening"]["intercept_eV_A"] == pytest.approx(1.0)


def test_material_at_its_minimum_has_no_slope(systems: list[System]) -> None:
    rest = system("Ni", 5, rattle=0.0)
    found = summarise(scaled([*systems, rest], [1, 1, 1, 1, 0.5]))["softening_by_material"]
    assert (found["n_materials"], found["n_materials_without_slope"]) == (3, 1)


def test_material_is_the_composition_whatever_the_size_and_order() -> None:
    ordered = Atoms("NaCl2Na", positions=np.arange(12).reshape(4, 3))
    assert material(System(id="a", atoms=Atoms("Na2Cl2"))) == material(
        System(id="b", atoms=ordered)
    )
    assert material(System(id="a", atoms=Atoms("Na2Cl"))) != material(System(id="b", atoms=ordered))


def test_energies_are_counted_from_the_lowest_of_the_same_composition(
    systems: list[System],
) -> None:
    above = energies_above_minimum(systems)
    per_atom = [s.reference["energy"] / len(s.atoms) for s in systems]
    assert above[:2] == pytest.approx([0.0, per_atom[1] - per_atom[0]])
    assert above[1] > 0.1
    assert np.isnan(above[2:]).all()


def test_errors_high_above_the_minimum_are_told_from_those_near_it(systems: list[System]) -> None:
    bins = summarise(scaled(systems, [1.0, 0.7, 0.1, 0.1]))["force_error_by_energy_above_minimum"]
    assert [b["from_eV_per_atom"] for b in bins] == list(ENERGY_BINS_eV)
    assert sum(b["n_structures"] for b in bins) == 2
    assert bins[0]["force_mae_eV_A"] == pytest.approx(0)
    (high,) = [b for b in bins[1:] if b["n_structures"]]
    assert high["slope_through_origin"] == pytest.approx(0.7)
    assert high["force_mae_eV_A"] == pytest.approx(
        0.3 * np.mean(np.abs(systems[1].reference["forces"]))
    )


def test_set_of_different_compositions_tells_nothing_by_energy(systems: list[System]) -> None:
    found = summarise(scaled(systems[1:], [1, 1, 1]))
    assert found["force_error_by_energy_above_minimum"] == []


def test_families_show_slope_and_both_means(systems: list[System]) -> None:
    found = summarise(scaled(systems, [1.0, 0.7, 1.0, 1.0]))["force_mae_by_family"]["Cu"]
    mae = 0.3 * float(np.mean(np.abs(systems[1].reference["forces"])))
    assert found["force_structure_mae_eV_A"] == pytest.approx(mae / 2)
    assert found["force_mae_eV_A"] == pytest.approx(mae * 8 / 12)
    assert found["slope_through_origin"] < 0.75


def test_dummy_errors_are_those_of_zero_forces_and_stress(systems: list[System]) -> None:
    stressed = System(
        id="s", atoms=systems[0].atoms, reference={"stress": np.array([2, 0, 0, 0, 0, 0]) * GPa}
    )
    forces = np.concatenate([s.reference["forces"] for s in systems])
    found = dummy_errors([*systems, stressed], 0.002)
    assert found == pytest.approx(
        {
            "energy_rmse_meV_per_atom": 2.0,
            "force_mae_eV_A": np.mean(np.abs(forces)),
            "force_rmse_eV_A": np.sqrt(np.mean(forces**2)),
            "stress_mae_GPa": 2 / 6,
            "stress_rmse_GPa": np.sqrt(4 / 6),
        }
    )
    stress_only = dummy_errors([stressed], None)
    assert {name for name, value in stress_only.items() if value is None} == {
        "energy_rmse_meV_per_atom", "force_mae_eV_A", "force_rmse_eV_A",
    }  # fmt: skip


@pytest.mark.parametrize("energy_reference", ["as_is", "composition_shift"])
def test_summary_states_how_energies_were_compared(
    systems: list[System], energy_reference: str
) -> None:
    protocol, parameters = EnergyForcesProtocol(), {"energy_reference": energy_reference}
    outcomes = [protocol.simulate(s, EMT(), parameters) for s in systems]
    found = protocol.summary(systems, outcomes, parameters)
    assert found["energy_reference"] == energy_reference
    assert found["dummy"]["force_rmse_eV_A"] > 0
    assert (found["energy_shift_eV_per_atom"] == {}) == (energy_reference == "as_is")


def test_each_material_is_listed_with_its_own_slope_and_what_it_explains(
    systems: list[System],
) -> None:
    materials = summarise(scaled(systems[2:], [0.9, 1.2]))["softening_by_material"]["materials"]
    assert [(m["material"], m["n_structures"]) for m in materials] == [("Ag", 1), ("Au", 1)]
    assert [m["slope_through_origin"] for m in materials] == pytest.approx([1.2, 0.9])
    assert all(m["force_mae_eV_A"] > 0.01 for m in materials)
    assert [m["force_corrected_mae_eV_A"] for m in materials] == pytest.approx([0, 0], abs=1e-12)


def test_error_shares_are_the_quantiles_of_the_atoms_errors() -> None:
    atoms = Atoms("H101", positions=np.arange(303.0).reshape(-1, 3))
    reference = np.zeros((101, 3))
    reference[0, 0] = 1.0  # so that there is something to predict
    predicted = reference.copy()
    predicted[:, 1] = np.arange(101)
    a_system = System(id="a", atoms=atoms, reference={"forces": reference}, family="")
    outcome = Outcome(values={}, arrays={"forces": predicted})
    found = summarise([(a_system, outcome)])["force_error_shares"]
    assert {row["share"]: row["error_eV_A"] for row in found} == pytest.approx(
        {s: 100 * s for s in ERROR_SHARES}
    )


def test_parity_histogram_counts_every_component_once() -> None:
    reference = np.linspace(-1, 1, 3000).reshape(-1, 3)
    reference[0, 0] = -50  # an outlier does not stretch the frame
    found = force_parity(0.5 * reference, reference)
    assert found["limit_eV_A"] == pytest.approx(1, abs=0.01)
    assert found["n_outside"] >= 1
    assert sum(count for _, _, count in found["cells"]) + found["n_outside"] == 3000
    # Half the slope: the last column of the reference lies three quarters up the predicted axis.
    last = {j for i, j, _ in found["cells"] if i == PARITY_CELLS - 1}
    assert last <= {35, 36}


def test_parity_histogram_of_zero_reference_forces_has_a_frame() -> None:
    found = force_parity(np.zeros((2, 3)), np.zeros((2, 3)))
    assert (found["limit_eV_A"], found["n_outside"]) == (1.0, 0)
