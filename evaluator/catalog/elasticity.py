"""The catalog's part on elastic moduli. Standard library only."""

from __future__ import annotations

from evaluator.catalog.types import SOFTENING_SOURCE, Column, Direction, Metric, Parameter, Protocol

_ELASTIC_SOURCE = "de Jong et al., Sci. Data 2, 150009 (2015), doi:10.1038/sdata.2015.9"
_BORN_SOURCE = "Mouhat and Coudert, Phys. Rev. B 90, 224104 (2014), doi:10.1103/PhysRevB.90.224104"


def _of_modulus(key: str, label: str, words: str) -> tuple[Metric, ...]:
    return (
        Metric(
            key=f"{key}_mae",
            label=f"{label} MAE",
            unit="GPa",
            direction=Direction.LOWER,
            description=f"Mean absolute error of the {words}, mean of Voigt's and Reuss' bounds.",
            source=_ELASTIC_SOURCE,
            digits=2,
        ),
        Metric(
            key=f"{key}_relative_error",
            label=f"{label} error",
            unit="%",
            direction=Direction.LOWER,
            description=f"Mean absolute relative error of the {words}.",
            source=_ELASTIC_SOURCE,
            digits=1,
        ),
        Metric(
            key=f"{key}_ratio_median",
            label=f"{label} ratio",
            unit="",
            direction=Direction.ONE,
            description=f"Median of predicted over reference {words}; below one is too soft.",
            source=SOFTENING_SOURCE,
        ),
    )


ELASTIC_METRICS: tuple[Metric, ...] = (
    *_of_modulus("bulk_modulus_vrh", "K", "bulk modulus of the polycrystal"),
    *_of_modulus("shear_modulus_vrh", "G", "shear modulus of the polycrystal"),
    Metric(
        key="born_stability_score",
        label="Elastically stable",
        unit="",
        direction=Direction.HIGHER,
        description="Share of crystals, all of them stable in the reference, whose elastic "
        "constants are positive definite.",
        source=_BORN_SOURCE,
    ),
)

ELASTIC = Protocol(
    name="elastic",
    version=1,
    label="Elastic moduli",
    summary="Relaxation of the cell within the space group, six strains of both signs and two "
    "sizes, inner relaxation of each, elastic constants from the stresses; in double precision.",
    source=_ELASTIC_SOURCE,
    parameters=(
        Parameter(
            name="normal_strain_percent",
            kind=float,
            default=1.0,
            minimum=0.05,
            maximum=5.0,
            unit="%",
            help="Largest normal strain; half of it and both signs are used too.",
        ),
        Parameter(
            name="shear_strain_percent",
            kind=float,
            default=6.0,
            minimum=0.05,
            maximum=10.0,
            unit="%",
            help="Largest engineering shear strain; half of it and both signs are used too.",
        ),
        Parameter(
            name="fmax_eV_A",
            kind=float,
            default=0.01,
            minimum=0.0005,
            maximum=0.1,
            unit="eV/Å",
            help="Convergence of the relaxation of the crystal and of each strained cell. What "
            "does not get there has failed.",
        ),
        Parameter(
            name="relaxes_inside",
            kind=bool,
            default=True,
            help="Whether the atoms of a strained cell relax before its stress is read. Without, "
            "moduli are those of clamped atoms, which are higher.",
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
            default=5.0,
            minimum=1.0,
            maximum=50.0,
            unit="%",
            help="A crystal whose volume changes by more while it relaxes has failed.",
        ),
        Parameter(
            name="symprec_A",
            kind=float,
            default=0.001,
            minimum=1e-7,
            maximum=0.1,
            unit="Å",
            help="Within what distance atoms count as equivalent by symmetry.",
        ),
    ),
    metrics=tuple(metric.key for metric in ELASTIC_METRICS),
    reference_properties=("bulk_modulus_vrh_GPa", "shear_modulus_vrh_GPa"),
    columns=(
        Column(name="bulk_modulus_vrh_GPa", label="K", unit="GPa", digits=1),
        Column(name="shear_modulus_vrh_GPa", label="G", unit="GPa", digits=1),
        Column(name="lowest_stiffness_GPa", label="Softest strain", unit="GPa", digits=1),
        Column(name="volume_change_percent", label="Volume change", unit="%", digits=2),
        Column(
            name="max_displacement_A",
            label="Largest inner displacement",
            unit="Å",
            digits=3,
            is_primary=False,
        ),
    ),
    parity=("bulk_modulus_vrh_GPa", "shear_modulus_vrh_GPa"),
    precision="double",
)
