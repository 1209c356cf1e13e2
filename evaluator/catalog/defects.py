"""The catalog's part on surfaces and vacancies. Standard library only."""

from __future__ import annotations

from evaluator.catalog.types import SOFTENING_SOURCE, Column, Direction, Metric, Parameter, Protocol

_FACET_SOURCE = "Tran et al., Sci. Data 3, 160080 (2016), doi:10.1038/sdata.2016.80"

SURFACE_METRICS: tuple[Metric, ...] = (
    Metric(
        key="surface_energy_mae",
        label="Surface energy MAE",
        unit="eV/Å²",
        direction=Direction.LOWER,
        description="Mean absolute error of the surface energy of slabs, each side against its own "
        "crystal.",
        source=SOFTENING_SOURCE,
        digits=4,
    ),
    Metric(
        key="surface_energy_relative_error",
        label="Surface energy error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean absolute relative error of the surface energy.",
        source=SOFTENING_SOURCE,
        digits=1,
    ),
    Metric(
        key="surface_energy_ratio_median",
        label="Surface energy ratio",
        unit="",
        direction=Direction.ONE,
        description="Median of predicted over reference surface energy; below one is too soft.",
        source=SOFTENING_SOURCE,
    ),
    Metric(
        key="surface_energy_slope_median",
        label="Surface slope",
        unit="",
        direction=Direction.ONE,
        description="Median over materials of the slope through the origin of predicted against "
        "reference surface energies.",
        source=SOFTENING_SOURCE,
    ),
    Metric(
        key="facet_order_score",
        label="Order of facets",
        unit="",
        direction=Direction.HIGHER,
        description="Spearman correlation of predicted and reference surface energies over the "
        "facets of each material, averaged over materials; scored pair by pair.",
        source=_FACET_SOURCE,
    ),
)

SURFACE_ENERGY = Protocol(
    name="surface_energy",
    version=1,
    label="Surface energies",
    summary="Energy of slabs against their crystal at the potential's own volume: single points on "
    "the reference's slabs, or slabs scaled to the potential's own lattice and relaxed.",
    source=SOFTENING_SOURCE,
    parameters=(
        Parameter(
            name="geometry",
            kind=str,
            default="fixed",
            choices=("fixed", "relaxed"),
            help="fixed: the reference's slabs as they are; relaxed: scaled to the potential's own "
            "lattice, then relaxed in that cell.",
        ),
        Parameter(
            name="fmax_eV_A",
            kind=float,
            default=0.05,
            minimum=0.001,
            maximum=0.2,
            unit="eV/Å",
            help="Convergence of a relaxed slab: no force is above it. A slab that does not get "
            "there has failed.",
        ),
        Parameter(
            name="max_relaxation_steps",
            kind=int,
            default=500,
            minimum=10,
            maximum=5000,
            help="Most steps of the relaxation.",
        ),
    ),
    metrics=tuple(metric.key for metric in SURFACE_METRICS),
    reference_properties=(
        "surface_energy_eV_A2",
        "bulk_cell_A",
        "bulk_scaled_positions",
        "bulk_numbers",
    ),
    columns=(
        Column(name="surface_energy_eV_A2", label="Surface energy", unit="eV/Å²", digits=4),
        Column(name="lattice_ratio", label="Lattice constant / reference", digits=4),
        Column(
            name="bulk_energy_eV_atom",
            label="Bulk energy",
            unit="eV/atom",
            digits=4,
            is_primary=False,
        ),
        Column(name="max_displacement_A", label="Largest displacement", unit="Å", digits=3),
        Column(name="n_relaxation_steps", label="Steps", digits=0, is_primary=False),
    ),
    parity=("surface_energy_eV_A2",),
)

_VACANCY_SOURCE = (
    "Angsten et al., New J. Phys. 16, 015018 (2014), doi:10.1088/1367-2630/16/1/015018"
)

VACANCY_METRICS: tuple[Metric, ...] = (
    Metric(
        key="vacancy_formation_mae",
        label="Vacancy MAE",
        unit="eV",
        direction=Direction.LOWER,
        description="Mean absolute error of the formation energy of a vacancy.",
        source=_VACANCY_SOURCE,
    ),
    Metric(
        key="vacancy_formation_relative_error",
        label="Vacancy error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean absolute relative error of the formation energy of a vacancy.",
        source=_VACANCY_SOURCE,
        digits=1,
    ),
    Metric(
        key="vacancy_formation_ratio_median",
        label="Vacancy ratio",
        unit="",
        direction=Direction.ONE,
        description="Median of predicted over reference formation energy; below one is too soft.",
        source=SOFTENING_SOURCE,
    ),
    Metric(
        key="vacancy_order_score",
        label="Order of vacancies",
        unit="",
        direction=Direction.HIGHER,
        description="Spearman correlation of predicted and reference formation energies over the "
        "metals of one structure, averaged over structures; scored pair by pair.",
        source=_VACANCY_SOURCE,
    ),
)

VACANCY_FORMATION = Protocol(
    name="vacancy_formation",
    version=1,
    label="Vacancies",
    summary="Relaxation of the crystal's cell within its space group, removal of one atom from a "
    "supercell, relaxation of the others in the fixed cell.",
    source=_VACANCY_SOURCE,
    parameters=(
        Parameter(
            name="fmax_eV_A",
            kind=float,
            default=0.02,
            minimum=0.001,
            maximum=0.5,
            unit="eV/Å",
            help="Convergence of both relaxations: no force is above it. What does not get there "
            "has failed.",
        ),
        Parameter(
            name="max_relaxation_steps",
            kind=int,
            default=500,
            minimum=10,
            maximum=5000,
            help="Most steps of each relaxation.",
        ),
        Parameter(
            name="max_volume_change_percent",
            kind=float,
            default=30.0,
            minimum=5.0,
            maximum=90.0,
            unit="%",
            help="A crystal whose volume changes by more while it relaxes has failed.",
        ),
        Parameter(
            name="supercell_length_A",
            kind=float,
            default=10.0,
            minimum=4.0,
            maximum=30.0,
            unit="Å",
            help="Least thickness of the supercell in each direction, where the reference states "
            "no supercell.",
        ),
    ),
    metrics=tuple(metric.key for metric in VACANCY_METRICS),
    reference_properties=("vacancy_formation_eV",),
    columns=(
        Column(name="vacancy_formation_eV", label="Formation energy", unit="eV", digits=3),
        Column(name="unrelaxed_formation_eV", label="Before relaxation", unit="eV", digits=3),
        Column(name="volume_per_atom_A3", label="Volume", unit="Å³/atom", digits=3),
        Column(
            name="max_displacement_A",
            label="Largest displacement",
            unit="Å",
            digits=3,
            is_primary=False,
        ),
        Column(name="n_supercell_atoms", label="Sites", digits=0, is_primary=False),
    ),
    parity=("vacancy_formation_eV",),
)
