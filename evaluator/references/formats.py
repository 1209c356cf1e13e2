"""Reads structures with reference values from a file that somebody uploaded.

Extended XYZ and JSON, both text: nothing is unpickled and nothing is run. Everything is turned into
the units of the canonical form: energy of the whole structure in eV, forces in eV/Å, stress in
eV/Å³ with ASE's sign (positive under tension).

JSON is a list of objects, or ``{"structures": [...]}``, each with ``symbols`` (or ``numbers``),
``positions`` in Å, and, where there are, ``cell`` in Å, ``pbc``, ``system_id``, ``family``,
``energy``, ``forces``, ``stress`` and ``values`` (other numbers by name).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, GPa, Hartree, kcal, kJ, mol
from numpy.typing import NDArray

from evaluator.exceptions import SubmissionError
from evaluator.references.extxyz import Frame, check_cell, numbers_in, read_frames

ENERGY_UNITS: Mapping[str, float] = {
    "eV": 1.0,
    "eV/atom": 1.0,
    "meV/atom": 1e-3,
    "Ha": Hartree,
    "kcal/mol": kcal / mol,
    "kJ/mol": kJ / mol,
}
FORCE_UNITS: Mapping[str, float] = {
    "eV/Å": 1.0,
    "meV/Å": 1e-3,
    "Ha/Bohr": Hartree / Bohr,
    "kcal/mol/Å": kcal / mol,
}
#: VASP writes kbar, positive under compression.
VIRIAL = "virial in eV"
STRESS_UNITS: Mapping[str, float] = {
    "eV/Å³": 1.0,
    "GPa": GPa,
    "kbar (VASP)": -0.1 * GPa,
    VIRIAL: -1.0,  # to be divided by the volume
}

#: Where ASE's xx yy zz yz xz xy stand in VASP's XX YY ZZ XY YZ ZX.
_VASP_ORDER = [0, 1, 2, 4, 5, 3]
_TEXTS = frozenset({"system_id", "family", "config_type"})
#: What extended XYZ and ASE take for something of their own, when the canonical file is read back.
_RESERVED = frozenset({*all_properties, "Lattice", "Properties", "pbc", "species", "pos", "Z"})

_JSON_KEYS = frozenset(
    {"symbols", "numbers", "positions", "cell", "pbc", "system_id", "family", "values"}
    | {"energy", "forces", "stress", "charge", "spin"}
)
#: Names that people give to the charge of a structure, to its spin multiplicity 2S + 1, and to the
#: number of its unpaired electrons, which is one less.
_CHARGE_NAMES = ("charge", "total_charge", "net_charge", "tot_charge")
_SPIN_NAMES = ("spin", "total_spin", "spin_multiplicity", "multiplicity", "mult")
_UNPAIRED_NAMES = ("n_unpaired", "unpaired_electrons", "uhf")


@dataclass(frozen=True, kw_only=True)
class Convention:
    """Under which names, and in which units, the file has its reference values."""

    energy_name: str = "energy"
    forces_name: str = "forces"
    stress_name: str = "stress"
    energy_unit: str = "eV"
    force_unit: str = "eV/Å"
    stress_unit: str = "eV/Å³"


def read_structures(path: Path, convention: Convention) -> list[Atoms]:
    """Read a file by its suffix, ``.json`` or anything else for extended XYZ.

    Each structure has its own calculator with the values found, in canonical units, and text as
    ``system_id`` and ``family``. Raises SubmissionError, naming the structure.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SubmissionError(
            "The file is no text: extended XYZ or JSON in UTF-8 is needed."
        ) from error
    is_json = path.suffix == ".json"
    frames = _from_json(text) if is_json else _from_extxyz(text, convention)
    if not frames:
        raise SubmissionError("The file holds no structure.")
    names = Convention() if is_json else convention
    return [_canonical(atoms, i, names, convention) for i, atoms in enumerate(frames)]


def _from_extxyz(text: str, convention: Convention) -> list[Atoms]:
    return [_atoms_of(frame, convention) for frame in read_frames(text)]


def _atoms_of(frame: Frame, convention: Convention) -> Atoms:
    """With all values of the comment line, and of the columns the forces and marks."""
    atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    atoms.info = {
        name: text if name in _TEXTS else _value(text) for name, text in frame.info.items()
    }
    of_structure = {convention.energy_name, convention.stress_name}
    for name in {*of_structure, convention.forces_name, "migrating"} & set(frame.columns):
        if name in atoms.info:
            raise SubmissionError(f"{frame.place}: {name} is a value and a column at once.")
        if name in of_structure:
            raise SubmissionError(
                f"{frame.place}: {name} is a column; it belongs to the whole structure: give it as "
                "a value of the comment line."
            )
        column = frame.columns[name]
        is_of_atoms = column.shape == (len(atoms), 3) and column.dtype.kind in "if"
        if name == convention.forces_name and not is_of_atoms:
            raise SubmissionError(
                f"{frame.place}: the column {name} must be three numbers for each atom."
            )
        atoms.info[name] = column
    return atoms


def _value(text: str) -> Any:  # noqa: ANN401  (a number, numbers, or the text itself)
    numbers = numbers_in(text)
    if numbers is None:
        return text
    return float(numbers[0]) if numbers.shape == (1,) else numbers


def _from_json(text: str) -> list[Atoms]:
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise SubmissionError("It cannot be read as JSON: it is nested too deep.") from error
    except ValueError as error:
        raise SubmissionError(f"It cannot be read as JSON: {error}") from error
    rows = content.get("structures") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise SubmissionError('JSON must be a list of structures, or {"structures": [...]}.')
    return [_structure(row, i) for i, row in enumerate(rows)]


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON, and no reference value")


def _structure(row: Any, index: int) -> Atoms:  # noqa: ANN401  (any JSON value)
    if not isinstance(row, dict):
        raise SubmissionError(f"Structure {index} must be a JSON object.")
    unknown = sorted(set(row) - _JSON_KEYS)
    if unknown:
        raise SubmissionError(
            f"Structure {index} has {', '.join(unknown)}; known are {', '.join(sorted(_JSON_KEYS))}"
            ". Other numbers belong into values."
        )
    values = row.get("values", {})
    try:
        if not isinstance(values, dict):
            raise TypeError("values must be an object")
        atoms = Atoms(
            symbols=row.get("symbols"),
            numbers=row.get("numbers"),
            positions=np.asarray(row["positions"], dtype=float),
            cell=row.get("cell"),
            pbc=row.get("pbc", "cell" in row),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SubmissionError(f"Structure {index}: {type(error).__name__}: {error}") from error
    check_cell(atoms.cell.array, atoms.pbc, f"Structure {index}")
    atoms.info = {
        **values,
        **{
            k: row[k]
            for k in ("system_id", "family", "energy", "stress", "charge", "spin")
            if k in row
        },
    }
    if "forces" in row:
        atoms.info["forces"] = row["forces"]
    return atoms


def _canonical(atoms: Atoms, index: int, names: Convention, units: Convention) -> Atoms:
    info = dict(atoms.info)
    results = {
        "energy": _scaled(
            info.pop(names.energy_name, None), index, "energy", (), ENERGY_UNITS[units.energy_unit]
        ),
        "forces": _scaled(
            info.pop(names.forces_name, None),
            *(index, "forces", (len(atoms), 3), FORCE_UNITS[units.force_unit]),
        ),
        "stress": _scaled(
            info.pop(names.stress_name, None),
            *(index, "stress", None, STRESS_UNITS[units.stress_unit]),
            in_vasp_order=units.stress_unit == "kbar (VASP)",
        ),
    }
    if results["stress"] is not None and units.stress_unit == VIRIAL:
        if np.linalg.matrix_rank(atoms.cell.array) < 3:
            raise SubmissionError(f"Structure {index}: it has a virial, but no volume.")
        results["stress"] = results["stress"] / atoms.get_volume()
    if results["energy"] is not None and units.energy_unit.endswith("/atom"):
        results["energy"] = results["energy"] * len(atoms)
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    marks = info.pop("migrating", None)
    if marks is not None:
        bare.set_array("migrating", _marks(marks, len(atoms), index))
    state = _electronic_state(info, index)
    bare.info = {**_kept({k: v for k, v in info.items() if k not in _RESERVED}, index), **state}
    given = {k: v if v.ndim else float(v) for k, v in results.items() if v is not None}
    bare.calc = SinglePointCalculator(bare, **given)
    return bare


def _electronic_state(info: dict[str, Any], index: int) -> dict[str, int]:
    """``charge`` and ``spin`` (2S + 1) where the file has either; their names leave ``info``.

    A spin of 0 is a closed shell, as fairchem writes it. Raises SubmissionError for two values of
    one thing and for what is no whole number.
    """
    charges = _whole_numbers(info, _CHARGE_NAMES, index)
    spins = {k: max(v, 1) for k, v in _whole_numbers(info, _SPIN_NAMES, index, 0).items()}
    spins |= {k: v + 1 for k, v in _whole_numbers(info, _UNPAIRED_NAMES, index, 0).items()}
    for values in (charges, spins):
        if len(set(values.values())) > 1:
            raise SubmissionError(
                f"Structure {index}: {' and '.join(values)} contradict each other."
            )
    if not charges and not spins:
        return {}
    return {
        "charge": next(iter(charges.values()), 0),
        "spin": next(iter(spins.values()), 1),
    }


def _whole_numbers(
    info: dict[str, Any], names: tuple[str, ...], index: int, least: int | None = None
) -> dict[str, int]:
    """Take what stands under these names, in any case of letters, out of ``info``."""
    values: dict[str, int] = {}
    for name in [name for name in info if name.lower() in names]:
        value = info[name]
        if isinstance(value, list | np.ndarray):
            continue  # of each atom, or something else of that name
        del info[name]
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not is_number or value != int(value) or (least is not None and value < least):
            at_least = "" if least is None else f" of at least {least}"
            raise SubmissionError(
                f"Structure {index}: {name} must be a whole number{at_least}, not {value!r}."
            )
        values[name] = int(value)
    return values


def _marks(value: Any, n_atoms: int, index: int) -> NDArray[np.bool_]:  # noqa: ANN401
    """A truth value for each atom. Raises SubmissionError."""
    try:
        marks = np.asarray(value)
    except ValueError:  # a ragged list
        marks = np.empty(0)
    if marks.dtype.kind != "b" or marks.shape != (n_atoms,):
        raise SubmissionError(
            f"Structure {index}: migrating must be T or F for each atom (migrating:L:1)."
        )
    return marks


def _scaled(
    value: Any,  # noqa: ANN401  (whatever the file holds)
    index: int,
    name: str,
    shape: tuple[int, ...] | None,
    factor: float,
    *,
    in_vasp_order: bool = False,
) -> NDArray[np.float64] | None:
    """The numbers in canonical units; a stress comes as 6 numbers or as a matrix."""
    if value is None:
        return None
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise SubmissionError(f"Structure {index}: {name} is not made of numbers.") from error
    if shape is None:
        if numbers.size == 9:
            matrix = numbers.reshape(3, 3)
            if not np.allclose(matrix, matrix.T, rtol=1e-4, atol=1e-4 * np.abs(matrix).max()):
                raise SubmissionError(
                    f"Structure {index}: {name} is not symmetric: {matrix.tolist()}."
                )
            numbers = full_3x3_to_voigt_6_stress(matrix)
        elif in_vasp_order and numbers.shape == (6,):
            numbers = numbers[_VASP_ORDER]
        shape = (6,)
    if numbers.shape != shape:
        raise SubmissionError(
            f"Structure {index}: {name} must have the shape {shape}, not {numbers.shape}."
        )
    if not np.isfinite(numbers).all():
        raise SubmissionError(f"Structure {index}: {name} is not a finite number everywhere.")
    return numbers * factor


def _kept(info: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Names and other numbers; texts and the like tell nothing that could be compared."""
    values: dict[str, Any] = {}
    for name, value in info.items():
        try:
            numbers = np.asarray(value) if isinstance(value, list) and value else value
        except ValueError:  # a ragged list: nothing that could be compared
            continue
        if isinstance(numbers, np.ndarray):
            if numbers.dtype.kind in "iuf":
                values[_plain(name)] = numbers.astype(float)
        elif isinstance(numbers, int | float | np.number) and not isinstance(numbers, bool):
            values[_plain(name)] = numbers
    name = _plain(info.get("system_id", ""))
    # Words in front: extended XYZ would read digits back as a number.
    values["system_id"] = f"structure-{name or index + 1}" if _is_numeric(name or "0") else name
    family = _plain(info.get("family", info.get("config_type", "")))
    values["family"] = f"family-{family}" if _is_numeric(family) else family
    if not values["family"]:
        del values["family"]
    return values


def _plain(name: object) -> str:
    """As a name in extended XYZ: no blanks, quotes or brackets, which have a meaning there."""
    return re.sub(r"[^\w.+/-]+", "_", str(name).strip())[:200]


def _is_numeric(text: str) -> bool:
    """Whether extended XYZ would read it as a number or a truth value."""
    if text in {"T", "F", "True", "False", "true", "false"}:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
