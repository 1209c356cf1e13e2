"""What can be measured: protocols, metrics, calculator kinds. Said once, here.

Metric key, unit, label and direction are read from here by the evaluator, the database, the
API, the pages and the CSV. Standard library only; both halves import it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    LOWER = "lower"
    HIGHER = "higher"
    #: Best at one, worse on both sides (a slope): the score falls linearly with the distance from
    #: the good anchor, alike on both sides, to zero at the bad anchor's distance.
    ONE = "one"


def format_number(value: float | None, digits: int) -> str:
    """A number as tables, pages and the command line print it; a dash where there is none."""
    return "–" if value is None else f"{value:z.{digits}f}"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measurable quantity. ``key`` is ``<quantity>_<statistic>``."""

    key: str
    label: str
    unit: str
    direction: Direction
    description: str
    #: Paper or equation that defines it.
    source: str = ""
    digits: int = 3


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a protocol, a form field and a JSON key at once."""

    name: str
    kind: type  # float, int, bool or str
    default: float | int | bool | str
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: object) -> float | int | bool | str:
        """Return the value in its kind, or raise ValueError with a sentence for its author."""
        if self.kind is bool or isinstance(value, bool):
            if self.kind is not bool or not isinstance(value, bool):
                raise ValueError(f"must be {_KIND_WORDS[self.kind]}, not {value!r}")
            return value
        if self.kind is str:
            if not isinstance(value, str):
                raise ValueError(f"must be a text, not {value!r}")
            if self.choices and value not in self.choices:
                raise ValueError(f"must be one of {', '.join(self.choices)}, not {value!r}")
            return value
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"must be {_KIND_WORDS[self.kind]}, not {value!r}")
        if self.kind is int and value != int(value):
            raise ValueError(f"must be a whole number, not {value!r}")
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"must be at least {self.minimum:g}, not {value!r}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"must be at most {self.maximum:g}, not {value!r}")
        return int(value) if self.kind is int else float(value)


_KIND_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}


class ParameterError(ValueError):
    """Parameters that do not fit; ``errors`` maps each field to its complaint."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{name} {error}" for name, error in self.errors.items()))


def check_parameters(
    parameters: tuple[Parameter, ...], values: Mapping[str, object]
) -> dict[str, float | int | bool | str]:
    """Return all parameters, defaults filled in; raise ParameterError naming every bad field."""
    by_name = {parameter.name: parameter for parameter in parameters}
    errors = {
        name: f"is unknown; known are {', '.join(by_name) or 'none'}"
        for name in values
        if name not in by_name
    }
    checked: dict[str, float | int | bool | str] = {}
    for name, parameter in by_name.items():
        try:
            checked[name] = parameter.check(values.get(name, parameter.default))
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise ParameterError(errors)
    return checked


@dataclass(frozen=True, kw_only=True)
class Column:
    """One number of a system's record, as a table or an axis shows it."""

    name: str
    label: str
    unit: str = ""
    digits: int = 4


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How something is measured: the description of a module in evaluator/protocols/."""

    name: str
    #: Raised whenever the same submission could get another number.
    version: int
    label: str
    summary: str
    source: str
    parameters: tuple[Parameter, ...]
    metrics: tuple[str, ...]
    #: Properties that each system of the reference set must carry.
    reference_properties: tuple[str, ...]
    #: Which of a record's values have a counterpart in its reference, for tables and parity plots.
    columns: tuple[Column, ...]
    #: The columns that a task page plots as predicted against reference, most telling first.
    parity: tuple[str, ...] = ()
    #: "double" asks the calculator for float64 where it offers it (finite differences fail in
    #: float32); "as_submitted" leaves the choice to the submission's settings.
    precision: str = "as_submitted"


@dataclass(frozen=True, kw_only=True)
class CalculatorKind:
    """A way to turn an artifact into energies and forces inside the sandbox."""

    name: str
    label: str
    #: What the artifact must be, for the submitter.
    artifact: str
    suffixes: tuple[str, ...]
    settings: tuple[Parameter, ...] = ()
    #: Ours or ASE's code with no more than a few numbers from the submitter.
    is_built_in: bool = False


EV_PER_A3_IN_GPA = 160.21766208  # CODATA 2014, as ASE's default units

_DTYPE_HELP = "Precision of the arithmetic, unless a task asks for double precision."


def _dtype(default: str) -> Parameter:
    return Parameter(
        name="dtype", kind=str, default=default, choices=("float32", "float64"), help=_DTYPE_HELP
    )


CALCULATOR_KINDS: dict[str, CalculatorKind] = {
    kind.name: kind
    for kind in (
        CalculatorKind(
            name="chgnet",
            label="CHGNet",
            artifact="a CHGNet checkpoint as written by CHGNet.save or its trainer",
            suffixes=(".pth.tar", ".pt", ".pth", ".tar"),
            settings=(_dtype("float32"),),
        ),
        CalculatorKind(
            name="mace",
            label="MACE",
            artifact="a MACE model as written by mace_run_train (torch.save of the whole model)",
            suffixes=(".model", ".pt", ".pth"),
            settings=(
                _dtype("float64"),
                Parameter(
                    name="head",
                    kind=str,
                    default="",
                    help="Which head of a multi-head model; empty for its default.",
                ),
            ),
        ),
        CalculatorKind(
            name="matgl",
            label="MatGL (M3GNet, TensorNet, ...)",
            artifact="a zip of a MatGL model folder: model.json, model.pt, state.pt",
            suffixes=(".zip",),
        ),
        CalculatorKind(
            name="package",
            label="Python package",
            artifact=(
                "a zip or wheel of pure Python whose entry point returns an ASE calculator; "
                "torch, ASE, numpy and the packages of this service can be imported"
            ),
            suffixes=(".zip", ".whl"),
            settings=(
                Parameter(
                    name="entry_point",
                    kind=str,
                    default="potential:calculator",
                    help="module:function; called with the folder of the unpacked package.",
                ),
            ),
        ),
        CalculatorKind(
            name="ase",
            label="ASE calculator",
            artifact=(
                'a JSON file naming one of ASE\'s own classical potentials: {"calculator": "emt"}, '
                '"lj" with sigma_A and epsilon_eV by element, or "tersoff" with "element": "Si"'
            ),
            suffixes=(".json",),
            is_built_in=True,
        ),
        CalculatorKind(
            name="dummy",
            label="Dummy",
            artifact=(
                "a JSON file of mean energies by element, "
                '{"energy_per_atom_eV": {"Si": -5.4}, "default_eV": 0}; forces are zero'
            ),
            suffixes=(".json",),
            is_built_in=True,
        ),
    )
}


_DELTA_SOURCE = "Lejaeghere et al., Science 351, aad3000 (2016), doi:10.1126/science.aad3000"
_SOFTENING_SOURCE = "Deng et al., npj Comput. Mater. 11, 9 (2025), doi:10.1038/s41524-024-01500-6"

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
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="equation_of_state",
            version=1,
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
            ),
            parity=("bulk_modulus_GPa", "volume_per_atom_A3"),
            precision="double",
        ),
        Protocol(
            name="energy_forces",
            version=1,
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
                    "by least squares over the set, is taken off before the errors are formed; "
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
            ),
            parity=("force_rms_eV_A", "energy_per_atom_eV", "pressure_GPa"),
        ),
    )
}
