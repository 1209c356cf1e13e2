"""Tells what a file says and nobody reads: units, cells and periodicity under other names, texts.

``lookalikes`` does so for energies, forces and stresses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from ase.calculators.calculator import all_properties

from evaluator.references.conventions import Convention
from evaluator.references.electronic_states import bare, is_electronic_name
from evaluator.references.extxyz import shown, truths_of
from evaluator.references.lookalikes import sounds_familiar
from evaluator.references.records import Record, finite_numbers

#: Texts that the canonical file knows.
TEXTS = frozenset({"system_id", "name", "family", "config_type", "cluster"})
#: What extended XYZ and ASE take for something of their own, when the canonical file is read back.
RESERVED = frozenset(
    {*all_properties, "Lattice", "Properties", "pbc", "species", "pos", "Z", "virial"}
)
_CELLS = frozenset(
    {"cell", "unitcell", "supercell", "cellvectors", "celllengths", "cellparameters", "cellpar"}
    | {"lattice", "latticevectors", "latticevector", "latticeparameters", "latticeparams"}
    | {"box", "boxsize", "boxlengths", "boxvectors", "boxmatrix", "simulationcell"}
)
_DIRECTIONS = frozenset(
    {"periodic", "isperiodic", "periodicity", "pbcs", "boundary", "boundaries", "bc"}
    | {"boundaryconditions", "periodicboundary", "periodicboundaryconditions"}
)
_PERIODIC = ("periodic", "isperiodic", "pbc")
_CHARGES = frozenset(
    {
        "q",
        "qtot",
        "totq",
        "molecularcharge",
        "chargestate",
        "formalcharge",
        "charges",
        "nunpairedelectrons",
    }
    | {"unpaired", "nalphaminusnbeta", "totalspinmoment", "twos", "2s"}
)
#: LAMMPS's words for its boundaries.
_BOUNDARIES = {"p": "T", "f": "F", "s": "F", "m": "F"}
_UNIT_NAME = re.compile(r"units?$|(?:^|_)units?_(?!cell)", re.IGNORECASE)
#: Units that are no units of measurement: of a polymer, of a crystal.
_UNIT_OF_MATTER = re.compile(
    r"(?:formula|repeat(?:ing)?|asymmetric|monomer|building|structural|sub)_?units?$"
    r"|units?_(?:formula|smiles|type|id|name)$",
    re.IGNORECASE,
)
_SPELT_OUT = {"hartree": "ha", "electronvolt": "ev", "angstrom": "a", "ang": "a", "å": "a"} | {
    "³": "3",
    "gigapascal": "gpa",
    "peratom": "/atom",
}
_QUANTITIES = {
    "energy": re.compile("energ", re.IGNORECASE),
    "forces": re.compile("forc|grad", re.IGNORECASE),
    "stress": re.compile("stress|virial|press", re.IGNORECASE),
}
#: Names that promise numbers: with a unit at their end, or that a protocol looks for.
_PROMISING = re.compile(
    r"_(?:THz|GPa|A3?|eV|K|J_K_mol|kJ_mol)$|^(?:supercell_matrix|qpoints|qpoint_weights"
    r"|bulk_modulus_derivative)$"
)
#: Endings that are letters as well, as in site_A=Ba: with words they promise nothing.
_LETTER = re.compile(r"_[AK]$")
_COMPONENT = re.compile(r"(f|forces?)_?([xyz])", re.IGNORECASE)
_MAX_NAMED = 5
_LONGEST_NAME = 60


def unread_doubts(records: Sequence[Record], convention: Convention) -> list[str]:
    """What is not read and, if it is meant as it sounds, makes other numbers of those that are."""
    kinds = (
        _other_units(records, convention),
        _other_cells(records),
        _other_directions(records),
        _other_charges(records),
        _parted_forces(records, convention),
        _no_numbers(records),
    )
    return [sentence for kind in kinds for sentence in _first(kind)]


def _first(sentences: Iterator[str]) -> list[str]:
    """The first few: each structure may have thousands of names of its own."""
    told = list(islice(sentences, _MAX_NAMED))
    n_more = sum(1 for _ in sentences)
    return [*told, f"{n_more} more values are of this kind."] if n_more else told


def unread_notes(records: Sequence[Record], convention: Convention) -> list[str]:
    """Values that are left out because they are no numbers, or because the format owns the name."""
    used = {*convention.names.values(), *TEXTS, "migrating"}
    names = Counter(
        name
        for record in records
        for name, value in record.values.items()
        if name not in used
        and value is not None
        and (name in RESERVED or finite_numbers(value) is None)
        and not _is_told_elsewhere(name, value)
        and not _PROMISING.search(name)
    )
    if not names:
        return []
    why = "as they are no plain numbers or another quantity's"
    return [f"Values that are left out, {why}: {_listed(names, records)}."]


def _is_told_elsewhere(name: str, value: object) -> bool:
    return (
        is_electronic_name(name)
        or sounds_familiar(name)
        or (bare(name) in _DIRECTIONS and _directions(value) is not None)
        or _is_unit_name(name)
    )


def _is_unit_name(name: str) -> bool:
    return bool(_UNIT_NAME.search(name)) and not _UNIT_OF_MATTER.search(name)


def _other_units(records: Sequence[Record], convention: Convention) -> Iterator[str]:
    declared = {
        "energy": convention.energy_unit,
        "forces": convention.force_unit,
        "stress": convention.stress_unit,
    }
    says = _by_name(records, lambda name, value: _is_unit_name(name) and _is_text(value))
    for name, values in says.items():
        meant = [q for q, pattern in _QUANTITIES.items() if pattern.search(name)] or list(declared)
        texts = sorted({value if isinstance(value, str) else repr(value) for value in values})
        if len(meant) == 1 and {_spelt(text) for text in texts} == {_spelt(declared[meant[0]])}:
            continue
        how = ", ".join(f"{quantity} in {declared[quantity]}" for quantity in meant)
        says_what = f"{_word(name)} says {', '.join(map(shown, texts[:3]))}"
        yield (
            f"{says_what} ({_share(len(values), records)}) and is not read: units are those that "
            f"are chosen here, {how}."
        )


def _other_cells(records: Sequence[Record]) -> Iterator[str]:
    bare_ones = [record for record in records if not record.atoms.cell.array.any()]
    says = _by_name(bare_ones, lambda name, value: bare(name) in _CELLS and _is_cell(value))
    for name, values in says.items():
        yield (
            f"{_told(name, len(values), records)} is not read, and there is no Lattice: is it "
            "the cell? Then call it Lattice (in JSON, cell). As it is, they are molecules."
        )


def _other_directions(records: Sequence[Record]) -> Iterator[str]:
    odd: Counter[str] = Counter()
    for record in records:
        for name, value in record.values.items():
            says = _directions(value) if bare(name) in _DIRECTIONS else None
            # A word beside a boundary is one of grains; beside periodic nobody can be sure.
            is_meant = says is not None or bare(name).startswith(_PERIODIC)
            if bare(name) in _DIRECTIONS and is_meant and says != tuple(record.atoms.pbc):
                odd[name] += 1
    for name, n in odd.items():
        yield (
            f"{_told(name, n, records)} is not read and does not say the same as what is: "
            "periodic is what pbc says, and without it each cell vector that is there. Call it pbc."
        )


def _other_charges(records: Sequence[Record]) -> Iterator[str]:
    says = _by_name(records, lambda name, value: bare(name) in _CHARGES and _is_charge(value))
    for name, values in says.items():
        yield (
            f"{_told(name, len(values), records)} is not read: is it a charge or a spin? Then "
            "call it charge (in e), spin (the multiplicity 2S + 1) or n_unpaired."
        )


def _parted_forces(records: Sequence[Record], convention: Convention) -> Iterator[str]:
    """Forces of which each component has a name."""
    trios: Counter[str] = Counter()
    for record in records:
        parts = [m for name in record.columns if (m := _COMPONENT.fullmatch(name))]
        if {part[2].lower() for part in parts} == {"x", "y", "z"}:
            trios[", ".join(part[0] for part in parts)] += 1
    for names, n in trios.items():
        yield (
            f"{names} ({_share(n, records)}) are not read: give forces as one column of three "
            f"numbers, {convention.forces_name}:R:3 in Properties."
        )


def _no_numbers(records: Sequence[Record]) -> Iterator[str]:
    says = _by_name(records, _is_promise_broken)
    for name, values in says.items():
        text = values[0] if isinstance(values[0], str) else repr(values[0])
        yield (
            f"{_told(name, len(values), records)} is left out, for it is no plain numbers: "
            f"{shown(text)}. A task that looks for it finds none."
        )


def _is_promise_broken(name: str, value: object) -> bool:
    is_promise = bool(_PROMISING.search(name)) and not sounds_familiar(name)
    if isinstance(value, str) and _LETTER.search(name) and not re.search(r"\d", value):
        return False
    return is_promise and value is not None and finite_numbers(value) is None


def _by_name(
    records: Sequence[Record], is_meant: Callable[[str, Any], bool]
) -> dict[str, list[Any]]:
    """The values of names that are meant, one for each structure that has it."""
    values: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.values.items():
            if is_meant(name, value):
                values.setdefault(name, []).append(value)
    return values


def _is_text(value: object) -> bool:
    return isinstance(value, str | dict | list) and value not in ("", "T", "F")


def _is_cell(value: object) -> bool:
    numbers = finite_numbers(value)
    return numbers is not None and numbers.size in (3, 6, 9) and bool(numbers.any())


def _is_charge(value: object) -> bool:
    numbers = finite_numbers(value)
    return numbers is not None and numbers.ndim == 0 and float(numbers) != 0


def _directions(value: object) -> tuple[bool, ...] | None:
    """What a value under such a name says of the three directions; None where it is no such."""
    if isinstance(value, bool):
        return (value,) * 3
    numbers = finite_numbers(value)
    text = " ".join(f"{x:g}" for x in np.ravel(numbers)) if numbers is not None else str(value)
    words = re.split(r"[\s,\[\](){}]+", text.strip("[](){} "))
    truths = truths_of([_BOUNDARIES.get(word, word) for word in words])
    return tuple(truths * 3 if len(truths) == 1 else truths) if truths else None


def _spelt(text: str) -> str:
    """A unit without what people write differently."""
    text = re.sub(r"[\s^*·_()]", "", text.lower())
    for word, short in _SPELT_OUT.items():
        text = text.replace(word, short)
    return text


def _listed(counts: Counter[str], records: Sequence[Record]) -> str:
    names = [_told(name, n, records) for name, n in list(counts.items())[:_MAX_NAMED]]
    more = f" and {len(counts) - _MAX_NAMED} more" if len(counts) > _MAX_NAMED else ""
    return ", ".join(names) + more


def _told(name: str, n: int, records: Sequence[Record]) -> str:
    return f"{_word(name)} ({_share(n, records)})"


def _word(name: str) -> str:
    """As it stands in the file, where a sentence can hold it."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else shown(name)


def _share(n: int, records: Sequence[Record]) -> str:
    if n == len(records):
        return "every structure"
    return f"{n} of {len(records)} structures"
