"""The catalog's part on mixing energies of alloys. Standard library only."""

from __future__ import annotations

from evaluator.catalog.types import SOFTENING_SOURCE, Column, Direction, Metric, Parameter, Protocol

_ALLOY_SOURCE = "Li et al., npj Comput. Mater. 6, 70 (2020), doi:10.1038/s41524-020-0339-0"

ALLOY_METRICS: tuple[Metric, ...] = (
    Metric(
        key="mixing_energy_mae",
        label="Mixing energy MAE",
        unit="meV/atom",
        direction=Direction.LOWER,
        description="Mean absolute error of the energy of mixing, each side against its own "
        "lowest cells of the elements.",
        source=SOFTENING_SOURCE,
        digits=2,
    ),
    Metric(
        key="mixing_energy_slope_median",
        label="Mixing slope",
        unit="",
        direction=Direction.ONE,
        description="Median over alloy systems of the slope through the origin of predicted "
        "against reference mixing energies: below one mixing is too weak, below zero of the wrong "
        "sign.",
        source=SOFTENING_SOURCE,
    ),
    Metric(
        key="mixing_order_score",
        label="Order of orderings",
        unit="",
        direction=Direction.HIGHER,
        description="Spearman correlation of predicted and reference mixing energies of each "
        "alloy system, averaged over alloy systems; scored pair by pair.",
        source=_ALLOY_SOURCE,
    ),
    Metric(
        key="mixing_order_at_composition_score",
        label="Order at one composition",
        unit="",
        direction=Direction.HIGHER,
        description="The same among orderings of one composition, where composition itself tells "
        "nothing; averaged over the compositions with ten orderings or more.",
        source=_ALLOY_SOURCE,
    ),
    Metric(
        key="ground_state_score",
        label="Ground state found",
        unit="",
        direction=Direction.HIGHER,
        description="Share of compositions whose ordering of lowest predicted energy is the "
        "reference's lowest, or degenerate with it.",
        source=_ALLOY_SOURCE,
    ),
)

MIXING_ENERGY = Protocol(
    name="mixing_energy",
    version=1,
    label="Mixing energies",
    summary="Single points on fixed orderings of alloys; the energy of mixing is counted from the "
    "lowest of the set's elemental cells, of the potential and of the reference alike.",
    source=SOFTENING_SOURCE,
    parameters=(
        Parameter(
            name="degeneracy_meV_atom",
            kind=float,
            default=1.0,
            minimum=0.0,
            maximum=20.0,
            unit="meV/atom",
            help="Orderings within so much of the lowest count as the ground state too.",
        ),
    ),
    metrics=tuple(metric.key for metric in ALLOY_METRICS),
    reference_properties=("mixing_energy_meV_atom",),
    columns=(
        Column(name="mixing_energy_meV_atom", label="Mixing energy", unit="meV/atom", digits=2),
        Column(name="energy_per_atom_eV", label="Energy", unit="eV/atom", digits=5),
    ),
    parity=("mixing_energy_meV_atom",),
)
