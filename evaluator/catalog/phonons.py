"""The catalog's part on phonons. Standard library only."""

from __future__ import annotations

from evaluator.catalog.types import SOFTENING_SOURCE, Column, Direction, Metric, Parameter, Protocol

_PHONON_SOURCE = "Loew et al., npj Comput. Mater. 11 (2025), doi:10.1038/s41524-025-01650-1"
_PHONOPY_SOURCE = "Togo and Tanaka, Scr. Mater. 108, 1 (2015), doi:10.1016/j.scriptamat.2015.07.021"

PHONON_METRICS: tuple[Metric, ...] = (
    Metric(
        key="omega_max_mae",
        label="ω_max MAE",
        unit="THz",
        direction=Direction.LOWER,
        description="Mean absolute error of the highest frequency on the mesh.",
        source=_PHONON_SOURCE,
        digits=3,
    ),
    Metric(
        key="omega_max_relative_error",
        label="ω_max error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean absolute relative error of the highest frequency on the mesh.",
        source=_PHONON_SOURCE,
        digits=2,
    ),
    Metric(
        key="omega_max_ratio_median",
        label="ω_max ratio",
        unit="",
        direction=Direction.ONE,
        description="Median of predicted over reference highest frequency; below one is too soft.",
        source=SOFTENING_SOURCE,
        digits=4,
    ),
    Metric(
        key="omega_mean_mae",
        label="Mean ω MAE",
        unit="THz",
        direction=Direction.LOWER,
        description="Mean absolute error of the frequency averaged over all modes of the mesh.",
        source=_PHONON_SOURCE,
        digits=3,
    ),
    Metric(
        key="gamma_max_mae",
        label="Γ ω MAE",
        unit="THz",
        direction=Direction.LOWER,
        description="Mean absolute error of the highest optical frequency at Γ (negative where "
        "even that is imaginary), without the non-analytical correction.",
        source=_PHONOPY_SOURCE,
        digits=3,
    ),
    Metric(
        key="gamma_max_relative_error",
        label="Γ ω error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean absolute relative error of the highest optical frequency at Γ, without "
        "the non-analytical correction.",
        source=_PHONOPY_SOURCE,
        digits=2,
    ),
    Metric(
        key="gamma_max_ratio_median",
        label="Γ ω ratio",
        unit="",
        direction=Direction.ONE,
        description="Median of predicted over reference highest frequency at Γ; below one is too "
        "soft.",
        source=SOFTENING_SOURCE,
        digits=4,
    ),
    Metric(
        key="dos_distance",
        label="DOS distance",
        unit="THz",
        direction=Direction.LOWER,
        description="Wasserstein-1 distance of predicted and reference density of states, "
        "averaged over crystals: by how much modes must be shifted on average.",
        source=_PHONOPY_SOURCE,
        digits=3,
    ),
    Metric(
        key="frequency_slope_median",
        label="Frequency slope",
        unit="",
        direction=Direction.ONE,
        description="Median over crystals of the slope through the origin of predicted "
        "against reference frequencies, paired in order at each q-point; below "
        "one is too soft.",
        source=SOFTENING_SOURCE,
        digits=4,
    ),
    Metric(
        key="stability_score",
        label="Stability",
        unit="",
        direction=Direction.HIGHER,
        description="Share of crystals rightly told to have, or to have no, imaginary modes "
        "beyond the tolerance.",
        source=_PHONON_SOURCE,
        digits=3,
    ),
    Metric(
        key="phonon_roughness_median",
        label="Roughness",
        unit="%",
        direction=Direction.LOWER,
        description="Median over crystals of Σ w |ω(d) − ω(D)| / Σ w |ω(D)| over all modes of the "
        "mesh: by how much frequencies change when atoms are displaced by the smaller d in place "
        "of the scored D. Near zero for a smooth potential; where it is large, the frequencies "
        "depend on how they are measured.",
        digits=2,
    ),
    Metric(
        key="heat_capacity_mae",
        label="C_V MAE",
        unit="J/(K mol)",
        direction=Direction.LOWER,
        description="Mean absolute error of the harmonic heat capacity at 300 K, per mole of "
        "atoms.",
        source=_PHONON_SOURCE,
        digits=3,
    ),
    Metric(
        key="entropy_mae",
        label="S MAE",
        unit="J/(K mol)",
        direction=Direction.LOWER,
        description="Mean absolute error of the vibrational entropy at 300 K, per mole of atoms.",
        source=_PHONON_SOURCE,
        digits=3,
    ),
    Metric(
        key="free_energy_mae",
        label="F MAE",
        unit="kJ/mol",
        direction=Direction.LOWER,
        description="Mean absolute error of the vibrational free energy at 300 K with the "
        "zero-point energy, per mole of atoms.",
        source=_PHONON_SOURCE,
        digits=3,
    ),
)

PHONONS = Protocol(
    name="phonons",
    version=2,
    label="Phonons",
    summary="Relaxation of cell and positions within the space group, finite displacements "
    "reduced by symmetry, harmonic modes on the reference's mesh of q-points without "
    "non-analytical correction; once more with smaller displacements, for the roughness; in double "
    "precision.",
    source=_PHONOPY_SOURCE,
    parameters=(
        Parameter(
            name="fmax_eV_A",
            kind=float,
            default=0.005,
            minimum=0.0001,
            maximum=0.05,
            unit="eV/Å",
            help="Convergence of the relaxation: no force, and no cell gradient per "
            "atom, is above it. A crystal that does not get there has failed.",
        ),
        Parameter(
            name="max_relaxation_steps",
            kind=int,
            default=1000,
            minimum=10,
            maximum=5000,
            help="Most steps of the relaxation.",
        ),
        Parameter(
            name="max_volume_change_percent",
            kind=float,
            default=50.0,
            minimum=5.0,
            maximum=90.0,
            unit="%",
            help="A crystal whose volume changes by more while it relaxes has failed.",
        ),
        Parameter(
            name="displacement_A",
            kind=float,
            default=0.01,
            minimum=0.001,
            maximum=0.1,
            unit="Å",
            help="How far an atom is displaced for the frequencies that are scored.",
        ),
        Parameter(
            name="roughness_displacement_A",
            kind=float,
            default=0.003,
            minimum=0.0,
            maximum=0.1,
            unit="Å",
            help="The second displacement, whose change of the frequencies is the roughness; 0 "
            "leaves it out. It doubles the calls on displaced atoms.",
        ),
        Parameter(
            name="symprec_A",
            kind=float,
            default=1e-5,
            minimum=1e-7,
            maximum=0.01,
            unit="Å",
            help="Within what distance atoms count as equivalent by symmetry.",
        ),
        Parameter(
            name="supercell_length_A",
            kind=float,
            default=15.0,
            minimum=5.0,
            maximum=40.0,
            unit="Å",
            help="Least thickness of the supercell in each direction, where the "
            "reference states no supercell.",
        ),
        Parameter(
            name="mesh",
            kind=int,
            default=20,
            minimum=1,
            maximum=60,
            help="q-points along each axis of the mesh, where the reference states none.",
        ),
        Parameter(
            name="imaginary_tolerance_THz",
            kind=float,
            default=0.1,
            minimum=0.0,
            maximum=1.0,
            unit="THz",
            help="A crystal whose lowest mode on the mesh is imaginary by more is called unstable.",
        ),
        Parameter(
            name="keeps_bands",
            kind=bool,
            default=True,
            help="Whether the bands along the standard path are computed and kept for plots.",
        ),
    ),
    metrics=(
        "omega_max_mae",
        "omega_max_relative_error",
        "omega_max_ratio_median",
        "omega_mean_mae",
        "gamma_max_mae",
        "gamma_max_relative_error",
        "gamma_max_ratio_median",
        "dos_distance",
        "frequency_slope_median",
        "stability_score",
        "phonon_roughness_median",
        "heat_capacity_mae",
        "entropy_mae",
        "free_energy_mae",
    ),
    reference_properties=(),
    columns=(
        Column(name="omega_max_THz", label="ω_max", unit="THz", digits=3),
        Column(name="omega_mean_THz", label="Mean ω", unit="THz", digits=3, is_primary=False),
        Column(name="omega_min_THz", label="ω_min", unit="THz", digits=3),
        Column(name="gamma_max_THz", label="Γ ω_max", unit="THz", digits=3),
        Column(name="dos_distance_THz", label="DOS distance", unit="THz", digits=3),
        Column(name="frequency_slope", label="Frequency slope", digits=4),
        Column(name="roughness_percent", label="Roughness", unit="%", digits=2),
        Column(
            name="gamma_max_small_THz",
            label="Γ ω_max, small displacement",
            unit="THz",
            digits=3,
            is_primary=False,
        ),
        Column(name="heat_capacity_J_K_mol", label="C_V", unit="J/(K mol)", digits=3),
        Column(name="entropy_J_K_mol", label="S", unit="J/(K mol)", digits=3, is_primary=False),
        Column(name="free_energy_kJ_mol", label="F", unit="kJ/mol", digits=3, is_primary=False),
        Column(
            name="volume_change_percent",
            label="Volume change",
            unit="%",
            digits=2,
            is_primary=False,
        ),
    ),
    parity=("omega_max_THz", "gamma_max_THz", "omega_mean_THz", "heat_capacity_J_K_mol"),
    precision="double",
)
