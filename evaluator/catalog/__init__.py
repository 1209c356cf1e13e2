"""What can be measured: protocols, metrics, calculator kinds. Said once, here.

Metric key, unit, label and direction are read from here by the evaluator, the database, the
API, the pages and the CSV. Standard library only; both halves import it.
"""

from __future__ import annotations

from evaluator.catalog.alloys import ALLOY_METRICS, MIXING_ENERGY
from evaluator.catalog.calculators import CALCULATOR_KINDS as CALCULATOR_KINDS
from evaluator.catalog.defects import (
    SURFACE_ENERGY,
    SURFACE_METRICS,
    VACANCY_FORMATION,
    VACANCY_METRICS,
)
from evaluator.catalog.dynamics import MD_METRICS, MD_STABILITY
from evaluator.catalog.efficiency import EFFICIENCY, EFFICIENCY_METRICS
from evaluator.catalog.efficiency import SHIPPED_POTENTIALS as SHIPPED_POTENTIALS
from evaluator.catalog.elasticity import ELASTIC, ELASTIC_METRICS
from evaluator.catalog.molecules import INTERACTION_ENERGY, MOLECULE_METRICS
from evaluator.catalog.phonons import PHONON_METRICS, PHONONS
from evaluator.catalog.types import SOFTENING_SOURCE as _SOFTENING_SOURCE
from evaluator.catalog.types import CalculatorKind as CalculatorKind
from evaluator.catalog.types import Column as Column
from evaluator.catalog.types import Direction as Direction
from evaluator.catalog.types import Metric as Metric
from evaluator.catalog.types import Parameter as Parameter
from evaluator.catalog.types import ParameterError as ParameterError
from evaluator.catalog.types import Protocol as Protocol
from evaluator.catalog.types import check_parameters as check_parameters
from evaluator.catalog.types import format_number as format_number

EV_PER_A3_IN_GPA = 160.21766208  # CODATA 2014, as ASE's default units

_DELTA_SOURCE = "Lejaeghere et al., Science 351, aad3000 (2016), doi:10.1126/science.aad3000"
_ACWF_SOURCE = "Bosoni et al., Nat. Rev. Phys. 6, 45 (2024), doi:10.1038/s42254-023-00655-3"
_RARE_EVENT_SOURCE = "Liu, He, Mo, npj Comput. Mater. 9, 174 (2023), doi:10.1038/s41524-023-01123-3"

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            key="eos_delta_mean",
            label="Δ",
            unit="meV/atom",
            direction=Direction.LOWER,
            description="Root-mean-square energy difference of two equations of state within "
            "±6 % of their mean volume, averaged over crystals.",
            source=_DELTA_SOURCE,
            digits=2,
        ),
        Metric(
            key="volume_relative_error",
            label="Volume error",
            unit="%",
            direction=Direction.LOWER,
            description="Mean absolute relative error of the equilibrium volume.",
            digits=2,
        ),
        Metric(
            key="bulk_modulus_mae",
            label="B₀ MAE",
            unit="GPa",
            direction=Direction.LOWER,
            description="Mean absolute error of the bulk modulus.",
            digits=2,
        ),
        Metric(
            key="bulk_modulus_relative_error",
            label="B₀ error",
            unit="%",
            direction=Direction.LOWER,
            description="Mean absolute relative error of the bulk modulus.",
            digits=2,
        ),
        Metric(
            key="bulk_modulus_derivative_mae",
            label="B₀′ MAE",
            unit="",
            direction=Direction.LOWER,
            description="Mean absolute error of the pressure derivative of the bulk modulus.",
        ),
        Metric(
            key="bulk_modulus_ratio_median",
            label="B₀ ratio",
            unit="",
            direction=Direction.ONE,
            description="Median of predicted over reference bulk modulus; below one is too soft.",
            source=_SOFTENING_SOURCE,
        ),
        Metric(
            key="eos_nu_distance",
            label="ν, median",
            unit="",
            direction=Direction.LOWER,
            description="Median over crystals of ν: 100 times the root of the sum of squares of "
            "the relative differences of V₀, B₀ (weight 1/20) and B₀′ (1/400).",
            source=_ACWF_SOURCE,
        ),
        Metric(
            key="eos_epsilon_distance",
            label="ε",
            unit="",
            direction=Direction.LOWER,
            description="Mean over crystals of ε, the RMS difference of two curves within ±6 % of "
            "their mean volume over the geometric mean of their spreads, 1 at most.",
            source=_ACWF_SOURCE,
        ),
        Metric(
            key="energy_mae",
            label="Energy MAE",
            unit="meV/atom",
            direction=Direction.LOWER,
            description="Mean over structures of the absolute error of the energy per atom.",
            digits=2,
        ),
        Metric(
            key="energy_rmse",
            label="Energy RMSE",
            unit="meV/atom",
            direction=Direction.LOWER,
            description="Root mean square over structures of the error of the energy per atom.",
            digits=2,
        ),
        Metric(
            key="energy_relative_error",
            label="Energy error / dummy",
            unit="",
            direction=Direction.LOWER,
            description="Energy RMSE divided by that of a dummy that knows compositions only "
            "(the best energy for each element after a composition shift, else the mean energy).",
        ),
        Metric(
            key="force_mae",
            label="Force MAE",
            unit="eV/Å",
            direction=Direction.LOWER,
            description="Mean absolute error over all force components of all structures.",
            digits=4,
        ),
        Metric(
            key="force_rmse",
            label="Force RMSE",
            unit="eV/Å",
            direction=Direction.LOWER,
            description="Root-mean-square error over all force components of all structures.",
            digits=4,
        ),
        Metric(
            key="force_structure_mae",
            label="Force MAE by structure",
            unit="eV/Å",
            direction=Direction.LOWER,
            description="Force MAE of each structure, averaged with equal weight to structures.",
            digits=4,
        ),
        Metric(
            key="force_relative_error",
            label="Force error / dummy",
            unit="",
            direction=Direction.LOWER,
            description="Force RMSE divided by that of zero forces: one knows nothing.",
        ),
        Metric(
            key="force_magnitude_mae",
            label="Force length MAE",
            unit="eV/Å",
            direction=Direction.LOWER,
            description="Mean over atoms of the absolute error of the force's length.",
            digits=4,
        ),
        Metric(
            key="force_vector_error",
            label="Force vector error",
            unit="eV/Å",
            direction=Direction.LOWER,
            description="Mean over atoms of the length of the error vector.",
            digits=4,
        ),
        Metric(
            key="force_cosine_mean",
            label="Force cosine",
            unit="",
            direction=Direction.HIGHER,
            description="Mean cosine between predicted and reference force vectors, over atoms "
            "with a reference force of 0.05 eV/Å or more.",
            digits=4,
        ),
        Metric(
            key="stress_mae",
            label="Stress MAE",
            unit="GPa",
            direction=Direction.LOWER,
            description="Mean absolute error over the six stress components.",
        ),
        Metric(
            key="stress_rmse",
            label="Stress RMSE",
            unit="GPa",
            direction=Direction.LOWER,
            description="Root-mean-square error over the six stress components.",
        ),
        Metric(
            key="softening_slope",
            label="Softening slope",
            unit="",
            direction=Direction.ONE,
            description="Slope through the origin of predicted against reference force components, "
            "pooled; below one is too soft.",
            source=_SOFTENING_SOURCE,
            digits=4,
        ),
        Metric(
            key="softening_slope_median",
            label="Median slope",
            unit="",
            direction=Direction.ONE,
            description="Median over structures of each structure's slope through the origin of "
            "predicted against reference force components; structures with an RMS reference force "
            "below 0.05 eV/Å have none.",
            source=_SOFTENING_SOURCE,
            digits=4,
        ),
        Metric(
            key="force_corrected_mae",
            label="Force cMAE",
            unit="eV/Å",
            direction=Direction.LOWER,
            description="Force MAE after the predicted forces are divided by the pooled softening "
            "slope; at a slope of 0.1 or less nothing is divided.",
            source=_SOFTENING_SOURCE,
            digits=4,
        ),
        Metric(
            key="rare_event_direction_error",
            label="RE direction A",
            unit="",
            direction=Direction.LOWER,
            description="One minus the direction score on migrating atoms: the area under the "
            "cumulative distribution of the angle to the reference force, from 0 to 60°.",
            source=_RARE_EVENT_SOURCE,
        ),
        Metric(
            key="rare_event_magnitude_error",
            label="RE magnitude M",
            unit="",
            direction=Direction.LOWER,
            description="One minus the magnitude score on migrating atoms: the area under the "
            "cumulative distribution of the error of the force's length, from 0 to 1 eV/Å.",
            source=_RARE_EVENT_SOURCE,
        ),
        Metric(
            key="rare_event_magnitude_rmse",
            label="RE length RMSE",
            unit="eV/Å",
            direction=Direction.LOWER,
            description="Root-mean-square error of the force's length on migrating atoms.",
            source=_RARE_EVENT_SOURCE,
            digits=4,
        ),
        Metric(
            key="rare_event_magnitude_outlier_fraction",
            label="RE length > 0.5 eV/Å",
            unit="",
            direction=Direction.LOWER,
            description="Share of migrating atoms whose force's length is off by more than "
            "0.5 eV/Å.",
            source=_RARE_EVENT_SOURCE,
        ),
        Metric(
            key="rare_event_direction_15_outlier_fraction",
            label="RE angle > 15°",
            unit="",
            direction=Direction.LOWER,
            description="Share of migrating atoms whose force is off by more than 15°.",
            source=_RARE_EVENT_SOURCE,
        ),
        Metric(
            key="rare_event_direction_30_outlier_fraction",
            label="RE angle > 30°",
            unit="",
            direction=Direction.LOWER,
            description="Share of migrating atoms whose force is off by more than 30°.",
            source=_RARE_EVENT_SOURCE,
        ),
        *PHONON_METRICS,
        *MD_METRICS,
        *EFFICIENCY_METRICS,
        *ALLOY_METRICS,
        *SURFACE_METRICS,
        *MOLECULE_METRICS,
        *ELASTIC_METRICS,
        *VACANCY_METRICS,
    )
}

#: The checks of evaluator/consistency.py that pages show, the largest error over a few systems.
CONSISTENCY: tuple[Column, ...] = (
    Column(name="rotation_energy_error_meV_atom_max", label="Turned: energy", unit="meV/atom"),
    Column(name="rotation_force_error_eV_A_max", label="Turned: forces", unit="eV/Å"),
    Column(name="permutation_energy_error_meV_atom_max", label="Permuted: energy", unit="meV/atom"),
    Column(name="permutation_force_error_eV_A_max", label="Permuted: forces", unit="eV/Å"),
    Column(name="repeat_energy_error_meV_atom_max", label="Asked again: energy", unit="meV/atom"),
    Column(name="repeat_force_error_eV_A_max", label="Asked again: forces", unit="eV/Å"),
    Column(
        name="force_gradient_error_eV_A_rms",
        label="Forces against the energy's gradient, RMS",
        unit="eV/Å",
    ),
    Column(
        name="stress_gradient_error_GPa_max", label="Stress against strained energies", unit="GPa"
    ),
    Column(
        name="redescribed_energy_error_meV_atom_max",
        label="Scored structures in other words: energy",
        unit="meV/atom",
    ),
    Column(
        name="redescribed_force_error_eV_A_max",
        label="Scored structures in other words: forces",
        unit="eV/Å",
    ),
    Column(
        name="step_energy_meV_atom_median",
        label="Step at scored structures: energy",
        unit="meV/atom",
    ),
    Column(name="step_share_percent", label="Scored structures with a step", unit="%", digits=0),
    Column(name="step_force_eV_A_median", label="Step at scored structures: forces", unit="eV/Å"),
    Column(
        name="phonon_roughness_percent_median",
        label="Phonons at a smaller displacement: change of frequencies, median",
        unit="%",
    ),
    Column(
        name="nve_drift_meV_atom_ps_mean",
        label="Drift of the energy in dynamics, mean",
        unit="meV/(atom ps)",
    ),
    Column(
        name="timed_energy_error_meV_atom_max", label="Timed, asked again: energy", unit="meV/atom"
    ),
    Column(name="timed_force_error_eV_A_max", label="Timed, asked again: forces", unit="eV/Å"),
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="equation_of_state",
            version=2,
            label="Equation of state",
            summary="Energy against volume at fixed shape and fractional coordinates; third-order "
            "Birch-Murnaghan fit around the potential's own minimum.",
            source=_DELTA_SOURCE,
            parameters=(
                Parameter(
                    name="volume_range_percent",
                    kind=float,
                    default=6.0,
                    minimum=1.0,
                    maximum=20.0,
                    unit="%",
                    help="Half-width of the fitted volumes around the equilibrium volume.",
                ),
                Parameter(
                    name="n_volumes",
                    kind=int,
                    default=7,
                    minimum=5,
                    maximum=41,
                    help="Number of equally spaced volumes in the fit.",
                ),
                Parameter(
                    name="search_range_percent",
                    kind=float,
                    default=30.0,
                    minimum=5.0,
                    maximum=60.0,
                    unit="%",
                    help="How far from the reference volume a minimum is looked for, downhill. A "
                    "crystal without one has failed.",
                ),
            ),
            metrics=(
                "eos_delta_mean",
                "volume_relative_error",
                "bulk_modulus_mae",
                "bulk_modulus_relative_error",
                "bulk_modulus_derivative_mae",
                "bulk_modulus_ratio_median",
                "eos_nu_distance",
                "eos_epsilon_distance",
            ),
            reference_properties=(
                "volume_per_atom_A3",
                "bulk_modulus_GPa",
                "bulk_modulus_derivative",
            ),
            columns=(
                Column(name="volume_per_atom_A3", label="Volume", unit="Å³/atom", digits=3),
                Column(name="bulk_modulus_GPa", label="B₀", unit="GPa", digits=2),
                Column(name="bulk_modulus_derivative", label="B₀′", digits=3),
                Column(name="delta_meV", label="Δ", unit="meV/atom", digits=2),
                Column(name="nu", label="ν", digits=3, is_primary=False),
                Column(name="epsilon", label="ε", digits=3, is_primary=False),
            ),
            parity=("bulk_modulus_GPa", "volume_per_atom_A3"),
            precision="double",
        ),
        Protocol(
            name="energy_forces",
            version=2,
            label="Energies, forces and stress",
            summary="Single points on the structures of a reference set.",
            source=_SOFTENING_SOURCE,
            parameters=(
                Parameter(
                    name="energy_reference",
                    kind=str,
                    default="composition_shift",
                    choices=("composition_shift", "as_is"),
                    help="composition_shift: one energy per element, fitted to the energy errors "
                    "by least squares over the set, is taken off before the errors are formed, and "
                    "skill is that of differences between structures of one composition; "
                    "as_is: total energies are compared as they are.",
                ),
            ),
            metrics=(
                "energy_mae",
                "energy_rmse",
                "energy_relative_error",
                "force_mae",
                "force_rmse",
                "force_structure_mae",
                "force_relative_error",
                "force_magnitude_mae",
                "force_vector_error",
                "force_cosine_mean",
                "stress_mae",
                "stress_rmse",
                "softening_slope",
                "softening_slope_median",
                "force_corrected_mae",
            ),
            reference_properties=("energy", "forces"),
            columns=(
                Column(name="energy_per_atom_eV", label="Energy", unit="eV/atom", digits=4),
                Column(name="force_mae_eV_A", label="Force MAE", unit="eV/Å", digits=4),
                Column(name="force_rms_eV_A", label="RMS force", unit="eV/Å", digits=4),
                Column(name="softening_slope", label="Softening slope", digits=4),
                Column(name="stress_mae_GPa", label="Stress MAE", unit="GPa", digits=3),
                Column(name="pressure_GPa", label="Pressure", unit="GPa", digits=3),
                Column(
                    name="own_energy_uncertainty_meV_per_atom",
                    label="Its own uncertainty",
                    unit="meV/atom",
                    digits=2,
                ),
            ),
            parity=("force_rms_eV_A", "energy_per_atom_eV", "pressure_GPa"),
        ),
        Protocol(
            name="rare_event_forces",
            version=2,
            label="Forces on migrating atoms",
            summary="Single points on snapshots of atoms in the middle of a jump; only the atoms "
            "that migrate are judged.",
            source=_RARE_EVENT_SOURCE,
            parameters=(),
            metrics=(
                "rare_event_direction_error",
                "rare_event_magnitude_error",
                "rare_event_magnitude_rmse",
                "rare_event_magnitude_outlier_fraction",
                "rare_event_direction_15_outlier_fraction",
                "rare_event_direction_30_outlier_fraction",
            ),
            reference_properties=("forces", "migrating"),
            columns=(
                Column(name="n_migrating", label="Migrating atoms", digits=0),
                Column(name="migrating_force_eV_A", label="Force on migrating atoms", unit="eV/Å"),
                Column(name="magnitude_error_eV_A", label="Length error", unit="eV/Å"),
                Column(name="direction_error_deg", label="Angle", unit="°", digits=2),
            ),
            parity=("migrating_force_eV_A",),
        ),
        PHONONS,
        MD_STABILITY,
        EFFICIENCY,
        MIXING_ENERGY,
        SURFACE_ENERGY,
        INTERACTION_ENERGY,
        ELASTIC,
        VACANCY_FORMATION,
    )
}
