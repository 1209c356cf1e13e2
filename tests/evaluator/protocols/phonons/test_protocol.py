import json
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.units import _amu, _e

from evaluator.arrays import FloatArray
from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.contract import Limits, ScoredMetric, SystemStatus, TaskSpec
from evaluator.plain import plain
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.phonons import lattice_dynamics as dynamics
from evaluator.protocols.phonons.protocol import NEEDS, PhononsProtocol, mode_numbers
from evaluator.protocols.relaxation import relax
from evaluator.scoring import score
from tests.calculators import Constant, Exploding, NanAfter

DESCRIPTION = DESCRIPTIONS["phonons"]
#: The mesh and the supercell are small, so that a run takes a fraction of a second.
PARAMETERS = check_parameters(DESCRIPTION.parameters, {"mesh": 4, "supercell_length_A": 6.0})
PROTOCOL = PhononsProtocol()
ROUGHNESS = "phonon_roughness_median"
GAMMA_RATIOS = {"gamma_max_relative_error", "gamma_max_ratio_median"}
PRIMITIVE_FCC = 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
THZ_OF_ROOT_EV_PER_A2_AMU = np.sqrt(_e / 1e-20 / _amu) / (2 * np.pi) / 1e12  # 15.633


class Scaled(Calculator):
    """EMT with energies, forces and stress times a factor: frequencies times its root."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.n_calls, self.base = factor, 0, EMT()

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        self.n_calls += 1
        copy = Atoms(
            atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True, calculator=self.base
        )
        self.results = {
            "energy": self.factor * copy.get_potential_energy(),
            "forces": self.factor * copy.get_forces(),
            "stress": self.factor * copy.get_stress(),
        }


class Springs(Calculator):
    """Simple cubic lattice of constant ``a``; E = k/2 Σ over neighbours of |u_i - u_j|².

    ω² = (2k/m) Σ_α (1 - cos q_α) for each of the three polarisations.
    """

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, a: float, k: float, stress: float = 0.0) -> None:
        super().__init__()
        self.a, self.k, self.stress = a, k, stress

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        n = np.rint(np.diag(atoms.cell.array) / self.a).astype(int)
        sites = np.rint(atoms.positions / self.a).astype(int)
        u = np.zeros((*n, 3))
        u[tuple((sites % n).T)] = atoms.positions - sites * self.a
        differences = [u - np.roll(u, s, axis) for axis in range(3) for s in (-1, 1)]
        forces = -sum(self.force(d) for d in differences)
        self.results = {
            "energy": 0.25 * self.k * float(sum((d**2).sum() for d in differences)),
            "forces": forces[tuple((sites % n).T)],
            "stress": np.array([1, 1, 1, 0, 0, 0]) * self.stress,
        }

    def force(self, stretch: FloatArray) -> FloatArray:
        return self.k * stretch


def copper(a: float = 3.6, **reference: Any) -> System:
    return System(
        id="Cu", atoms=bulk("Cu", a=a), reference={"supercell_matrix": PRIMITIVE_FCC} | reference
    )


def simple_cubic(a: float, n_cells: int) -> System:
    return System(
        id="sc",
        atoms=Atoms("Ar", cell=[a, a, a], pbc=True),
        reference={"supercell_matrix": float(n_cells) * np.eye(3)},
    )


def with_modes(atoms: Atoms, calculator: Calculator) -> System:
    """A system whose reference is what ``calculator`` gives."""
    relaxed = relax(
        atoms,
        calculator,
        fmax_eV_A=0.0001,
        max_steps=100,
        max_volume_change_percent=50,
        symprec_A=1e-5,
    )
    phonon = dynamics.force_constants(
        relaxed.atoms,
        calculator,
        supercell_matrix=PRIMITIVE_FCC,
        is_primitive=True,
        displacement_A=0.01,
        symprec_A=1e-5,
    )
    qpoints, weights = dynamics.mesh_of(phonon, 4)
    frequencies = dynamics.frequencies_at(phonon, qpoints)
    gamma = float(dynamics.frequencies_at(phonon, np.zeros((1, 3))).max())
    return System(
        id=atoms.get_chemical_formula(),
        atoms=atoms,
        reference={
            "supercell_matrix": PRIMITIVE_FCC.astype(float),
            "qpoints": qpoints,
            "qpoint_weights": weights,
            "frequencies_THz": frequencies,
            **mode_numbers(frequencies, weights, gamma),
        },
    )


def simulate(system: System, calculator: Calculator, **parameters: Any) -> Outcome:
    return PROTOCOL.simulate(system, calculator, PARAMETERS | parameters)


def test_spring_lattice_has_its_exact_frequencies() -> None:
    a, k = 3.0, 2.0
    # An even number of cells holds the corner of the zone, where 1 - cos q = 2 on each axis.
    system = simple_cubic(a, 4)
    values = simulate(system, Springs(a, k)).values

    unit = THZ_OF_ROOT_EV_PER_A2_AMU * np.sqrt(k / system.atoms.get_masses()[0])
    assert values["omega_max_THz"] == pytest.approx(np.sqrt(12) * unit, rel=1e-5)
    assert values["gamma_max_THz"] == pytest.approx(0, abs=1e-4)
    q = 2 * np.pi * np.arange(4) / 4
    mesh = np.array([1 - np.cos(q)[list(i)] for i in np.ndindex(4, 4, 4)]).sum(axis=1)
    assert values["omega_mean_THz"] == pytest.approx(np.sqrt(2 * mesh).mean() * unit, rel=1e-5)
    assert values["n_displacements"] == 1
    assert not values["has_imaginary_modes"]


def test_springs_that_push_make_imaginary_modes_and_no_failure() -> None:
    values = simulate(simple_cubic(3.0, 2), Springs(3.0, -1.0)).values
    assert values["has_imaginary_modes"]
    assert values["omega_min_THz"] < -5
    assert values["heat_capacity_J_K_mol"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("element", ["Cu", "Al"])
def test_reference_made_with_the_same_potential_is_met_exactly(element: str) -> None:
    system = with_modes(bulk(element), EMT())
    # One atom has no optical mode to divide by.
    judged = [key for key in DESCRIPTION.metrics if key not in GAMMA_RATIOS]
    PROTOCOL.check_reference([system], judged)

    outcome = simulate(system, EMT(), fmax_eV_A=0.0001)

    samples, _ = PROTOCOL.samples([system], [outcome], PARAMETERS)
    assert set(samples) == set(DESCRIPTION.metrics) == {*NEEDS, ROUGHNESS}
    for key in judged:
        sample = samples[key]
        best = 1.0 if key.endswith(("_median", "_score")) and key != ROUGHNESS else 0.0
        # EMT's own anharmonicity between 0.003 and 0.01 Å is what is left of its roughness.
        within = 0.05 if key == ROUGHNESS else 1e-3
        assert sample.values[0] == pytest.approx(best, abs=within), key
        assert not sample.missing[0]
    assert outcome.values["space_group"] == "Fm-3m (225)"
    assert "remark" not in outcome.values


@pytest.mark.slow
def test_forces_scaled_by_081_scale_frequencies_by_09() -> None:
    system = with_modes(bulk("Cu"), EMT())
    values = simulate(system, Scaled(0.81), fmax_eV_A=0.0001).values
    known = system.reference
    assert values["frequency_slope"] == pytest.approx(0.9, rel=1e-3)
    assert values["omega_max_THz"] == pytest.approx(0.9 * known["omega_max_THz"], rel=1e-3)
    # Every mode moves down, so the distance is the difference of the means.
    assert values["dos_distance_THz"] == pytest.approx(0.1 * known["omega_mean_THz"], rel=1e-3)
    assert values["entropy_J_K_mol"] > known["entropy_J_K_mol"]


@pytest.mark.slow
def test_result_does_not_depend_on_the_choice_of_the_cell() -> None:
    primitive = simulate(copper(), EMT()).values
    cubic = System(
        id="Cu4", atoms=bulk("Cu", a=3.6, cubic=True), reference={"supercell_matrix": 2 * np.eye(3)}
    )
    conventional = simulate(cubic, EMT()).values
    for name in ("omega_max_THz", "omega_mean_THz", "heat_capacity_J_K_mol", "entropy_J_K_mol"):
        assert conventional[name] == pytest.approx(primitive[name], rel=1e-4)
    assert conventional["n_supercell_atoms"] == primitive["n_supercell_atoms"] == 32


@pytest.mark.slow
def test_result_does_not_depend_on_the_volume_the_relaxation_starts_from() -> None:
    small = simulate(copper(a=3.5), EMT(), fmax_eV_A=0.0001).values
    large = simulate(copper(a=3.75), EMT(), fmax_eV_A=0.0001).values
    assert small["omega_max_THz"] == pytest.approx(large["omega_max_THz"], rel=1e-3)
    assert small["volume_change_percent"] > 0 > large["volume_change_percent"]


@pytest.mark.slow
def test_symmetry_keeps_calls_few() -> None:
    calculator = Scaled(1.0)
    assert simulate(copper(), calculator).values["n_displacements"] == 1
    assert calculator.n_calls <= 12


def test_supercell_is_long_enough_where_the_reference_states_none() -> None:
    # Faces of fcc's primitive cell lie a/√3 = 2.08 Å apart: 6 Å need three cells.
    matrix = dynamics.supercell_of_length(bulk("Cu", a=3.6), 6.0)
    assert matrix.tolist() == np.diag([3, 3, 3]).tolist()
    system = System(id="Cu", atoms=bulk("Cu", a=3.6))
    assert simulate(system, EMT()).values["n_supercell_atoms"] == 27


@pytest.mark.slow
def test_record_is_small_and_holds_bands_and_density_of_states() -> None:
    system = with_modes(bulk("Cu"), EMT())
    values = simulate(system, EMT(), fmax_eV_A=0.0001).values
    bands, dos = values["bands"], values["dos"]

    assert len(json.dumps(plain(values))) < 30_000
    assert [name for _, name in bands["corners"]][:2] == ["Γ", "X"]
    assert len(bands["frequency_THz"]) == 3
    assert {len(branch) for branch in bands["frequency_THz"]} == {len(bands["distance"])}
    assert bands["frequency_THz"][0][0] == pytest.approx(0, abs=0.01)
    assert len(dos["frequency_THz"]) == len(dos["states_per_THz_atom"]) == 101
    assert np.trapezoid(dos["states_per_THz_atom"], dos["frequency_THz"]) == pytest.approx(
        3, rel=0.01
    )
    # The reference's own curve stands in the reference, which a hidden set does not show.
    assert PROTOCOL.reference_values(system)["dos"] == dos
    assert set(PROTOCOL.reference_values(system)) <= {"dos"} | set(system.reference)


@pytest.mark.slow
def test_space_group_that_changes_is_remarked() -> None:
    # A tetragonal cell of copper relaxes to the cube within its own, lower group.
    cell = bulk("Cu", a=3.6, cubic=True).cell.array * np.array([1.0, 1.0, 1.02])
    atoms = Atoms("Cu4", scaled_positions=bulk("Cu", cubic=True).get_scaled_positions(), cell=cell)
    atoms.pbc = True
    system = System(id="Cu", atoms=atoms, reference={"supercell_matrix": 2 * np.eye(3)})
    values = simulate(system, EMT(), fmax_eV_A=0.0001, symprec_A=1e-3).values
    assert values["space_group"] == "Fm-3m (225)"
    assert values["remark"] == "It has left I4/mmm (139)."
    summary = PROTOCOL.summary([system], [Outcome(values=values)], PARAMETERS)
    assert summary["n_space_group_changed"] == 1


@pytest.mark.parametrize(
    ("calculator", "parameters", "reason"),
    [
        (EMT, {"max_relaxation_steps": 1}, "did not converge in 1 steps"),
        (lambda: NanAfter(0), {}, "not a finite number"),
        (lambda: NanAfter(2), {}, "not a finite number"),
    ],
)
def test_relaxation_that_goes_wrong_is_a_failure_with_a_reason(
    calculator: Callable[[], Calculator], parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SystemFailure, match=reason):
        simulate(copper(a=3.9), calculator(), **parameters)


@pytest.mark.parametrize(("stress", "change"), [(0.5, "-"), (-0.5, r"\+")])
def test_crystal_that_collapses_or_blows_up_is_a_failure(stress: float, change: str) -> None:
    with pytest.raises(SystemFailure, match=f"its volume changed by {change}5. %"):
        simulate(simple_cubic(3.0, 2), Springs(3.0, 1.0, stress=stress))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_relaxation_beyond_all_crystals_ends_at_its_first_step(sign: int) -> None:
    """It would wander for all its steps, within the bounds of the volume."""

    class Counted(Springs):
        n_calls = 0

        def calculate(self, *arguments: Any, **more: Any) -> None:
            self.n_calls += 1
            super().calculate(*arguments, **more)

    calculator = Counted(3.0, 1.0, stress=sign * 101.0)
    with pytest.raises(SystemFailure, match=r"hopeless: it met a stress of 101 eV/Å³"):
        simulate(simple_cubic(3.0, 2), calculator)
    assert calculator.n_calls <= 3
    with pytest.raises(SystemFailure, match="hopeless: it met a force of"):
        simulate(zinc_oxide(), HugeForces())


def zinc_oxide() -> System:
    """Two atoms whose positions no symmetry holds: wurtzite's free parameter."""
    atoms = bulk("ZnO", "wurtzite", a=3.25, c=5.2, u=0.38)
    return System(id="ZnO", atoms=atoms, reference={"supercell_matrix": np.eye(3)})


class HugeForces(Calculator):
    """Forces of 1e6 eV/Å along c, that of cations against anions."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        Calculator.calculate(self, atoms, properties, system_changes)
        forces = np.zeros((len(atoms), 3))
        forces[:, 2] = np.where(atoms.numbers == 30, 1e6, -1e6)
        self.results = {"energy": 0.0, "forces": forces, "stress": np.zeros(6)}


def test_potential_without_stress_is_charged_with_a_reason() -> None:
    calculator = Scaled(1.0)
    calculator.implemented_properties = ["energy", "forces"]
    with pytest.raises(SystemFailure, match="offers no stress"):
        simulate(copper(), calculator)


@pytest.mark.slow
def test_answer_that_turns_bad_during_the_displacements_is_charged() -> None:
    n_relaxation = simulate(copper(), counting := Scaled(1.0)).values["n_relaxation_steps"]
    assert n_relaxation > 0
    with pytest.raises(SystemFailure, match="not a finite number"):
        simulate(copper(), NanAfter(counting.n_calls - 1))


def task() -> TaskSpec:
    def metric(key: str, good: float, bad: float, worst: float) -> ScoredMetric:
        return ScoredMetric(key=key, good=good, bad=bad, worst=worst, weight=1.0)

    return TaskSpec(
        slug="phonons-here",
        version=1,
        protocol="phonons",
        protocol_version=2,
        parameters=PARAMETERS,
        metrics=(
            metric("omega_max_mae", 0.0, 4.0, 8.0),
            metric("dos_distance", 0.0, 3.0, 6.0),
            metric("frequency_slope_median", 1.0, 0.5, 0.0),
            metric("entropy_mae", 0.0, 17.0, 34.0),
        ),
        reference=None,
        limits=Limits(),
    )


def task_score(system: System, calculator: Calculator) -> tuple[float, int]:
    """The score on one crystal, and how many systems failed."""
    outcome: Outcome | None
    try:
        outcome, status = simulate(system, calculator), SystemStatus.OK
    except SystemFailure:
        outcome, status = None, SystemStatus.FAILED
    samples, _ = PROTOCOL.samples([system], [outcome], PARAMETERS)
    _, total = score(task(), [status], samples, n_replicates=2)
    assert total.value is not None
    return total.value, int(outcome is None)


@pytest.mark.slow
def test_bad_calculators_score_badly() -> None:
    system = with_modes(bulk("Cu"), EMT())
    good, _ = task_score(system, EMT())
    soft, _ = task_score(system, Scaled(0.64))
    softer, _ = task_score(system, Scaled(0.36))
    assert good == pytest.approx(1.0, abs=1e-3)
    assert 0.9 > soft > softer > 0.1
    assert task_score(system, Constant()) == (pytest.approx(0.0, abs=0.01), 0)
    assert task_score(system, NanAfter(3)) == (0.0, 1)
    assert task_score(system, Exploding())[0] < 0.05


def test_one_who_fails_is_charged_in_every_metric_and_counted_nowhere_as_right() -> None:
    system = with_modes(bulk("Cu"), EMT())
    samples, _ = PROTOCOL.samples([system], [None], PARAMETERS)
    assert all(np.isnan(sample.values[0]) for sample in samples.values())
    assert not any(sample.missing[0] for sample in samples.values())


@pytest.mark.slow
def test_metric_does_not_apply_where_the_reference_lacks_its_number() -> None:
    system = copper(gamma_max_THz=0.0)
    PROTOCOL.check_reference([system], ["gamma_max_mae"])
    outcome = simulate(system, EMT())
    samples, _ = PROTOCOL.samples([system], [outcome], PARAMETERS)
    assert samples["gamma_max_mae"].values[0] == pytest.approx(0, abs=1e-4)
    applies = {key for key, sample in samples.items() if not sample.missing[0]}
    assert applies == {"gamma_max_mae", ROUGHNESS} | GAMMA_RATIOS
    with pytest.raises(UnsuitableReference, match="Cu needs a positive gamma_max_THz"):
        PROTOCOL.check_reference([system], ["gamma_max_relative_error"])
    with pytest.raises(UnsuitableReference, match="dos_distance needs frequencies_THz"):
        PROTOCOL.check_reference([system], ["dos_distance"])


def test_nothing_is_said_of_stability_where_the_reference_does_not_know_it() -> None:
    found = Outcome(values={"omega_min_THz": -1.0, "omega_max_THz": 7.0})
    summary = PROTOCOL.summary([copper(gamma_max_THz=5.0)], [found], PARAMETERS)
    assert summary["stability"] == []
    assert summary["omega_max_below_reference_percent"] is None


def test_summary_counts_unstable_crystals_at_several_tolerances() -> None:
    def known(name: str, low: float) -> System:
        return copper(omega_min_THz=low, omega_max_THz=5.0)

    def found(low: float, high: float) -> Outcome:
        return Outcome(values={"omega_min_THz": low, "omega_max_THz": high})

    systems = [known("a", 0.0), known("b", 0.0), known("c", -1.0), known("d", -1.0)]
    outcomes = [found(0.0, 4.0), found(-0.15, 4.0), found(-2.0, 6.0), None]
    summary = PROTOCOL.summary(systems, outcomes, PARAMETERS)

    by_tolerance = {entry["tolerance_THz"]: entry for entry in summary["stability"]}
    assert list(by_tolerance) == [0.05, 0.1, 0.2, 0.3]
    assert by_tolerance[0.1] == {
        "tolerance_THz": 0.1,
        "true_unstable": 1,
        "false_unstable": 1,
        "true_stable": 1,
        "false_stable": 0,
        "accuracy": 2 / 3,
        "f1": 2 / 3,
    }
    assert by_tolerance[0.2]["accuracy"] == 1.0
    assert summary["omega_max_below_reference_percent"] == pytest.approx(200 / 3)
    samples, _ = PROTOCOL.samples(systems, outcomes, PARAMETERS)
    np.testing.assert_array_equal(samples["stability_score"].values, [1, 0, 1, np.nan])


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ({"qpoints": np.zeros((1, 3))}, "needs all or none"),
        ({"supercell_matrix": np.zeros((3, 3))}, "positive determinant"),
        ({"supercell_matrix": 2.5 * np.eye(3)}, "a supercell_matrix of 3 x 3 integers"),
        ({"supercell_matrix": 100 * np.eye(3)}, "makes 1000000 atoms, more than 2000"),
        (
            {"omega_min_THz": 9.0, "omega_max_THz": 7.0},
            "omega_min_THz 9 is above omega_max_THz 7",
        ),
        ({"supercell_matrix": np.ones(3)}, "3 x 3 integers"),
        ({"omega_max_THz": 0.0}, "needs a positive omega_max_THz"),
        (
            {
                "qpoints": np.zeros((1, 3)),
                "qpoint_weights": np.ones(1),
                "frequencies_THz": np.ones((1, 6)),
            },
            "do not fit 1 atoms",
        ),
        (
            {
                "qpoints": np.zeros((1, 3)),
                "qpoint_weights": np.zeros(1),
                "frequencies_THz": np.ones((1, 3)),
            },
            "must be positive",
        ),
    ],
)
def test_unsuitable_reference_is_refused(reference: dict[str, Any], complaint: str) -> None:
    system = copper(**({"omega_max_THz": 7.0} | reference))
    with pytest.raises(UnsuitableReference, match=complaint):
        PROTOCOL.check_reference([system], ["omega_max_ratio_median"])


def test_molecule_and_empty_set_are_refused() -> None:
    with pytest.raises(UnsuitableReference, match="is empty"):
        PROTOCOL.check_reference([], [])
    with pytest.raises(UnsuitableReference, match="not periodic"):
        PROTOCOL.check_reference([System(id="H2", atoms=Atoms("H2"))], [])


@pytest.mark.slow
def test_a_left_handed_cell_has_the_modes_of_the_right_handed_one() -> None:
    right = bulk("Cu", "fcc", a=3.6)
    left = right.copy()
    left.set_cell(-right.cell.array, scale_atoms=False)
    assert np.linalg.det(left.cell.array) < 0 < np.linalg.det(right.cell.array)
    outcomes = [
        PROTOCOL.simulate(System(id="Cu", atoms=a), EMT(), PARAMETERS) for a in (right, left)
    ]
    for name in ("gamma_max_THz", "omega_max_THz", "volume_change_percent"):
        values = [outcome.values[name] for outcome in outcomes]
        assert values[0] == pytest.approx(values[1], rel=1e-6), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("structure", "displacement_A"),
    [("sc", 0.0), ("fcc", 1e-5), ("fcc", 0.05), ("fcc", 0.9)],
    ids=["gas", "nearly symmetric", "rattled", "atoms on top of each other"],
)
def test_a_degenerate_crystal_is_answered_or_charged_in_words(
    structure: str, displacement_A: float
) -> None:
    atoms = bulk("Cu", "sc", a=9.0) if structure == "sc" else bulk("Cu").repeat((2, 1, 1))
    atoms.rattle(displacement_A, seed=3)
    try:
        outcome = simulate(
            System(id="odd", atoms=atoms), EMT(), supercell_length_A=2.0, fmax_eV_A=0.05
        )
    except SystemFailure as failure:
        assert len(str(failure).split()) > 3
    else:
        assert np.isfinite(outcome.values["omega_max_THz"])
