"""What the catalog is made of: metrics, parameters, protocols, kinds of calculators.

Standard library only; read through ``evaluator.catalog``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SOFTENING_SOURCE = "Deng et al., npj Comput. Mater. 11, 9 (2025), doi:10.1038/s41524-024-01500-6"


class Direction(StrEnum):
    LOWER = "lower"
    HIGHER = "higher"
    #: Best at one, worse on both sides (a slope): the score falls linearly with the distance from
    #: the good anchor, alike on both sides, to zero at the bad anchor's distance.
    ONE = "one"


def format_number(value: float | None, digits: int) -> str:
    """A number as tables, pages and the command line print it; a dash where there is none."""
    if value is None:
        return "–"
    # Absurd answers have absurd errors: three hundred digits tell no more than the power of ten.
    return f"{value:z.{digits}f}" if abs(value) < 1e9 else f"{value:.2e}"


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
    #: Among the first that a table shows; the others stand in the complete one.
    is_primary: bool = True


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
    #: Whether the numbers are times: rows of different hardware are then never ranked together, and
    #: one calculator at a time has the device for itself.
    is_timed: bool = False
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
