"""A Python package from the submitter, whose entry point returns an ASE calculator.

The zip or wheel is unpacked, its folder put first on the module path, and the entry point called
with that folder. All of it is the submitter's code; it runs in the sandbox alone.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import ase
import numpy as np
from ase.calculators.calculator import BaseCalculator
from ase.data import atomic_numbers, chemical_symbols

from evaluator.calculators.archives import packed_further, unpack, without_wrapping_folder
from evaluator.calculators.ase_calculator import has_changed, predict, properties_of
from evaluator.calculators.base import Adapter, InvalidArtifact, LoadError, LoadRequest
from evaluator.calculators.leaving import LEAVING, how_it_left, write_to_stderr
from evaluator.calculators.structures import check_elements, to_atoms
from evaluator.wire import CHANGED_ATOMS, Info, Prediction, Structure

#: Functions and classes that a refusal names.
_MOST_NAMED = 6
#: A class whose first parameter has one of these names is handed the folder.
_FOLDER_NAMES = frozenset({"folder", "directory", "path", "root"})


class PackageAdapter(Adapter):
    """Whatever the entry point returns, asked through ASE.

    The calculator may carry ``elements``, the chemical symbols it knows. Its precision is its
    own affair.
    """

    def load(self, request: LoadRequest) -> Info:
        entry_point = str(request.settings.get("entry_point", "potential:calculator"))
        folder = _folder_of(unpack(request.artifact), entry_point)
        # Weights are often opened by a name alone, as where the author tried it.
        os.chdir(folder)
        calculator = _made(_entry_point(folder, entry_point), folder, entry_point)
        if isinstance(calculator, type):
            raise LoadError(
                f"{entry_point} returned the class {calculator.__name__}: return a calculator, "
                f"{calculator.__name__}(...)"
            )
        if not _is_calculator(calculator):
            raise LoadError(
                f"{entry_point} returned {type(calculator).__name__}, not an ASE calculator: "
                "subclass ase.calculators.calculator.Calculator"
            )
        properties = properties_of(calculator)
        if not {"energy", "forces"} <= set(properties):
            raise LoadError("the calculator's implemented_properties lack energy or forces")

        self._calculator = calculator
        self._has_changed_atoms = False
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
        return [self._predict(structure, properties) for structure in structures]

    def _predict(self, structure: Structure, properties: Sequence[str]) -> Prediction:
        atoms = to_atoms(structure)
        prediction = predict(self._calculator, atoms, properties)
        if not self._has_changed_atoms and has_changed(atoms, structure):
            self._has_changed_atoms = True
            write_to_stderr(f"{CHANGED_ATOMS}\n")
        return prediction


def _made(entry: Any, folder: Path, entry_point: str) -> Any:  # noqa: ANN401
    """What the entry point makes: it may be a function, a class, or the calculator itself.

    A function or class is called with the folder where it takes an argument. Raises LoadError.
    """
    if not isinstance(entry, type) and _is_calculator(entry):
        return entry
    if not callable(entry):
        raise LoadError(
            f"{entry_point} is {type(entry).__name__}: neither a function or class that makes an "
            "ASE calculator nor a calculator"
        )
    try:
        return entry(folder) if _takes_a_folder(entry) else entry()
    except LEAVING as error:
        raise LoadError(f"{entry_point} {how_it_left(error)}"[:500]) from error


def _takes_a_folder(entry: Callable[..., Any]) -> bool:
    """Whether it can be called with one argument and means a folder by it.

    ASE's own calculators take a restart file first: a class is handed the folder only where its
    first parameter is called so, or must be given.
    """
    try:
        parameters = list(inspect.signature(entry).parameters.values())
    except (TypeError, ValueError):
        return True
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not isinstance(entry, type):
        return any(p.kind in (*places, inspect.Parameter.VAR_POSITIONAL) for p in parameters)
    first = parameters[0] if parameters else None
    if first is None or first.kind not in places:
        return False
    return first.default is inspect.Parameter.empty or first.name in _FOLDER_NAMES


def _is_calculator(candidate: object) -> bool:
    """An ASE calculator of today's or of the old kind, which had no common class."""
    return isinstance(candidate, BaseCalculator) or all(
        callable(getattr(candidate, name, None)) for name in ("get_potential_energy", "get_forces")
    )


def _entry_point(folder: Path, entry_point: str) -> Any:  # noqa: ANN401
    """Import ``module:name`` from the folder. Raises LoadError."""
    module_name, colon, name = entry_point.partition(":")
    names = [*module_name.split("."), name]
    if not colon or not all(part.isidentifier() for part in names):
        raise LoadError(f"the entry point must read module:function, not {entry_point!r}")
    relative = Path(*module_name.split("."))
    root = _root_of(folder, relative, module_name)

    # The folder too: modules of a src layout may read files from beside it.
    sys.path[:0] = [str(root)] if root == folder else [str(root), str(folder)]
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except LEAVING as error:
        raise LoadError(f"importing {module_name} {how_it_left(error)}"[:500]) from error
    if not hasattr(module, name):
        raise LoadError(f"the module {module_name} has no function {name}{_others_in(module)}")
    return getattr(module, name)


def _others_in(module: ModuleType) -> str:
    """Which functions and classes of its own a module has, to be named instead."""
    own = [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and callable(thing)
        and getattr(thing, "__module__", None) == module.__name__
    ]
    names = ", ".join(own[:_MOST_NAMED])
    return f"; it has {names}: name one in the setting entry_point" if names else ""


def _root_of(folder: Path, module: Path, module_name: str) -> Path:
    """The folder of the archive from which the module is imported: its top, or ``src``.

    Raises InvalidArtifact, naming the modules that are there.
    """
    if (root := _root_with(folder, module)) is not None:
        return root
    if inner := packed_further(folder):
        raise InvalidArtifact(f"the archive holds nothing but another one, {inner}: send that")
    if any(folder.rglob("data.pkl")):
        raise InvalidArtifact(
            "the file is one that torch.save wrote, and no package: choose the kind mace or chgnet"
        )
    if any(folder.rglob("state.pt")) and any(folder.rglob("model.json")):
        raise InvalidArtifact("the archive is a MatGL model, and no package: choose the kind matgl")
    if (place := _unnameable_place(folder, module)) is not None:
        raise InvalidArtifact(
            f"the module {module_name} lies in {place}, from which it cannot be imported: pack "
            "what is in that folder, without the folder"
        )
    raise InvalidArtifact(
        f"the archive has no module {module_name}; it has {_modules_in(folder)}. Name one by the "
        'setting "entry_point", as module:function'
    )


def _folder_of(unpacked: Path, entry_point: str) -> Path:
    """The archive's folder, or the one that wraps all else where the module lies in that."""
    module = Path(*entry_point.partition(":")[0].split("."))
    is_at_the_top = _root_with(unpacked, module) is not None
    return unpacked if is_at_the_top else without_wrapping_folder(unpacked)


def _root_with(folder: Path, module: Path) -> Path | None:
    for root in (folder, folder / "src"):
        for candidate in (module.with_suffix(".py"), module / "__init__.py"):
            if (root / candidate).is_file():
                return root
    return None


def _unnameable_place(folder: Path, module: Path) -> Path | None:
    """A folder with the module whose name no import can have, like my-model."""
    for path in sorted(folder.rglob(module.with_suffix(".py").name)):
        place = path.parent.relative_to(folder)
        if not all(part.isidentifier() for part in place.parts):
            return place
    return None


def _modules_in(folder: Path) -> str:
    names: list[str] = []
    for root in (folder, folder / "src"):
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if parts and all(part.isidentifier() for part in parts) and parts[0] != "src":
                names.append(".".join(parts))
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return shown or "no Python at all"


def _symbol(element: object) -> str:
    """A symbol as text; a number from 1 on is an atomic number."""
    if isinstance(element, int | np.integer) and 0 < element < len(chemical_symbols):
        return chemical_symbols[int(element)]
    return str(element)


def _elements(calculator: BaseCalculator) -> tuple[str, ...] | None:
    """The chemical symbols that the calculator names, or None. Raises LoadError."""
    elements = getattr(calculator, "elements", None)
    if elements is None:
        return None
    if not isinstance(elements, Iterable) or isinstance(elements, str):
        raise LoadError("the calculator's elements must be a list of chemical symbols")
    elements = [_symbol(element) for element in elements]
    strange = [e for e in elements if e not in atomic_numbers or e == "X"]
    if strange:
        raise LoadError(f"the calculator's elements hold {strange[0]!r}, no chemical symbol")
    return tuple(sorted(elements, key=lambda symbol: atomic_numbers[symbol]))
