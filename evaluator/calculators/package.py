"""A Python package from the submitter, whose entry point returns an ASE calculator.

The zip or wheel is unpacked, its folder put first on the module path, and the entry point called
with that folder. All of it is the submitter's code; it runs in the sandbox alone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase
from ase.calculators.calculator import BaseCalculator
from ase.data import atomic_numbers

from evaluator.calculators.archives import unpack
from evaluator.calculators.ase_calculator import predict, properties_of
from evaluator.calculators.base import Adapter, InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.structures import check_elements
from evaluator.wire import Info, Prediction, Structure


class PackageAdapter(Adapter):
    """Whatever the entry point returns, asked through ASE.

    The calculator may carry ``elements``, the chemical symbols it knows. Its precision is its
    own affair.
    """

    def load(self, request: LoadRequest) -> Info:
        folder = unpack(request.artifact)
        entry_point = str(request.settings.get("entry_point", "potential:calculator"))
        function = _entry_point(folder, entry_point)
        try:
            calculator = function(folder)
        except Exception as error:
            raise LoadError(
                f"{entry_point} raised {type(error).__name__}: {error}"[:500]
            ) from error
        if not isinstance(calculator, BaseCalculator):
            raise LoadError(
                f"{entry_point} returned {type(calculator).__name__}, not an ASE calculator"
            )
        properties = properties_of(calculator)
        if not {"energy", "forces"} <= set(properties):
            raise LoadError("the calculator's implemented_properties lack energy or forces")

        self._calculator = calculator
        self._elements = _elements(calculator)
        return Info(
            name=type(calculator).__name__,
            dtype="its own",
            device=request.device,
            properties=properties,
            elements=self._elements,
            versions={"ase": ase.__version__},
        )

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        for structure in structures:
            if self._elements is not None:
                check_elements(structure, self._elements, "this package's calculator")
        return [predict(self._calculator, structure, properties) for structure in structures]


def _entry_point(folder: Path, entry_point: str) -> Callable[[Path], Any]:
    """Import ``module:function`` from the folder. Raises LoadError."""
    module_name, colon, function_name = entry_point.partition(":")
    names = [*module_name.split("."), function_name]
    if not colon or not all(name.isidentifier() for name in names):
        raise LoadError(f"the entry point must read module:function, not {entry_point!r}")
    relative = Path(*module_name.split("."))
    candidates = (folder / relative.with_suffix(".py"), folder / relative / "__init__.py")
    if not any(candidate.is_file() for candidate in candidates):
        raise InvalidArtifact(f"the archive has no module {module_name}")

    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise LoadError(
            f"importing {module_name} raised {type(error).__name__}: {error}"[:500]
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise LoadError(f"the module {module_name} has no function {function_name}")
    return function  # type: ignore[no-any-return]


def _elements(calculator: BaseCalculator) -> tuple[str, ...] | None:
    """The chemical symbols that the calculator names, or None. Raises LoadError."""
    elements = getattr(calculator, "elements", None)
    if elements is None:
        return None
    if not isinstance(elements, Sequence | set | frozenset) or isinstance(elements, str):
        raise LoadError("the calculator's elements must be a list of chemical symbols")
    strange = [e for e in elements if e not in atomic_numbers or e == "X"]
    if strange:
        raise LoadError(f"the calculator's elements hold {strange[0]!r}, no chemical symbol")
    return tuple(sorted(elements, key=lambda symbol: atomic_numbers[symbol]))
