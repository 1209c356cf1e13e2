"""The catalog's part on interactions of molecules. Standard library only."""

from __future__ import annotations

from evaluator.catalog.types import SOFTENING_SOURCE, Column, Direction, Metric, Parameter, Protocol

_S22_SOURCE = (
    "Jurečka et al., Phys. Chem. Chem. Phys. 8, 1985 (2006), doi:10.1039/b600027d; Takatani et "
    "al., J. Chem. Phys. 132, 144104 (2010), doi:10.1063/1.3378024"
)

MOLECULE_METRICS: tuple[Metric, ...] = (
    Metric(
        key="interaction_energy_mae",
        label="Interaction energy MAE",
        unit="kcal/mol",
        direction=Direction.LOWER,
        description="Mean absolute error of the energy that two molecules gain by their "
        "interaction, at fixed positions.",
        source=_S22_SOURCE,
    ),
    Metric(
        key="interaction_energy_relative_error",
        label="Interaction energy error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean absolute relative error of the interaction energy.",
        source=_S22_SOURCE,
        digits=1,
    ),
    Metric(
        key="interaction_energy_ratio_median",
        label="Interaction energy ratio",
        unit="",
        direction=Direction.ONE,
        description="Median of predicted over reference interaction energy: below one molecules "
        "attract each other too weakly, below zero they repel.",
        source=SOFTENING_SOURCE,
    ),
    Metric(
        key="interaction_energy_slope_median",
        label="Interaction slope",
        unit="",
        direction=Direction.ONE,
        description="Median over kinds of interaction of the slope through the origin of predicted "
        "against reference interaction energies.",
        source=SOFTENING_SOURCE,
    ),
    Metric(
        key="interaction_order_score",
        label="Order of interactions",
        unit="",
        direction=Direction.HIGHER,
        description="Spearman correlation of predicted and reference interaction energies within "
        "each kind of interaction, averaged over kinds; scored pair by pair.",
        source=_S22_SOURCE,
    ),
)

INTERACTION_ENERGY = Protocol(
    name="interaction_energy",
    version=1,
    label="Interaction energies",
    summary="Energy of two molecules together less that of each alone, at the same positions in "
    "one empty box; single points in double precision.",
    source=_S22_SOURCE,
    parameters=(
        Parameter(
            name="vacuum_A",
            kind=float,
            default=12.0,
            minimum=6.0,
            maximum=40.0,
            unit="Å",
            help="How far the two molecules lie from their periodic images at least.",
        ),
    ),
    metrics=tuple(metric.key for metric in MOLECULE_METRICS),
    reference_properties=("interaction_energy_kcal_mol", "n_first_atoms"),
    columns=(
        Column(
            name="interaction_energy_kcal_mol",
            label="Interaction energy",
            unit="kcal/mol",
            digits=3,
        ),
        Column(name="energy_eV", label="Energy", unit="eV", digits=4, is_primary=False),
        Column(name="distance_A", label="Shortest distance", unit="Å", digits=2),
    ),
    parity=("interaction_energy_kcal_mol",),
    precision="double",
)
