"""Tells which values of a file look like energy, forces or stress, and are not the ones named.

The key that is named is the key that is used; whoever named the wrong one, or none, should learn
what else is there, and whether it says the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluator.exceptions import SubmissionError
from evaluator.references.conventions import VIRIAL, Convention
from evaluator.references.records import Record, finite_numbers

_ROOTS = {
    "energy": re.compile(r"energ(?:y|ies)|toten|^e(?:_?tot|_?0|_dft|_ref)?$|^u0?$", re.IGNORECASE),
    "forces": re.compile(r"forces?(?!_?const)|gradients?$|^f(?:_dft|_ref)?$|^grad$", re.IGNORECASE),
    "stress": re.compile(r"stress|virial|pressure_tensor", re.IGNORECASE),
}
#: Words that make of it another quantity, which nobody takes for the energy of the structure.
_OTHER_MEANING = re.compile(
    r"formation|surface|hull|cut_?off|gap|band|bind|adsor|cohes|kinetic|fermi|vacanc|migra|barrier"
    r"|interaction|defect|mixing|zero_?point|zpe|fault|activation|decompos|reaction|difference"
    r"|unit|source|method|label|type|converge|error|max|min|mean|std|norm|weight|count|constant|field|uncertain|strain|sigma|level",
    re.IGNORECASE,
)
_MOMENTS = re.compile(r"magmoms?$|magnetic_moments?$|^spins$", re.IGNORECASE)
_SAME_eV = 1e-6
_MAX_NAMED = 5


def check_names(records: Sequence[Record], convention: Convention) -> None:
    """Refuse a name that somebody chose and no structure has. Raises SubmissionError."""
    default = Convention().names
    for quantity, name in convention.names.items():
        if name == default[quantity] or any(_holds(record, name) for record in records):
            continue
        present = _listed(_counts(records), len(records))
        raise SubmissionError(
            f"No structure has {name}, which is named for the {quantity}. The file has "
            f"{present or 'no values at all'}."
        )


def unused_lookalikes(
    records: Sequence[Record], convention: Convention
) -> tuple[list[str], list[str]]:
    """What an administrator must look at, and what he may want to know."""
    doubts: list[str] = []
    notes: list[str] = []
    counts = _counts(records)
    chosen_names = set(convention.names.values())
    for quantity, chosen in convention.names.items():
        others = {
            n: c for n, c in counts.items() if n not in chosen_names and _is_like(quantity, n)
        }
        if not others:
            continue
        listed = _listed(others, len(records))
        if chosen not in counts:
            doubts.append(
                f"No structure has {chosen}, but the file has {listed}: is one of them the "
                f"{quantity}? Then name it ({quantity}_name){_virial_hint(others)}."
            )
            continue
        for name, n_with in others.items():
            sentence = f"{name} ({_share(n_with, len(records))}) is there too and is not used"
            difference = _difference(records, chosen, name)
            is_of_atoms = quantity != "forces" and all(name not in r.values for r in records)
            if is_of_atoms:
                notes.append(f"{chosen} is used; {sentence}: it is a column of the atoms.")
            elif difference is not None and difference <= _SAME_eV:
                notes.append(f"{chosen} is used; {sentence}; it says the same.")
            else:
                how = "" if difference is None else f"; it differs by up to {difference:.3g}"
                doubts.append(f"{chosen} is used; {sentence}{how}.")
    return doubts, notes + _left_out(records, counts, chosen_names)


def offered_names(records: Sequence[Record], convention: Convention) -> dict[str, list[str]]:
    """Names of values that may be a quantity which no structure has, by quantity.

    Those that most structures have come first.
    """
    counts = _counts(records)
    chosen_names = set(convention.names.values())
    offers: dict[str, list[str]] = {}
    for quantity, chosen in convention.names.items():
        alike = [
            name
            for name in counts
            if name not in chosen_names and _is_like(quantity, name) and name.isidentifier()
        ]
        if chosen not in counts and alike:
            alike.sort(key=lambda name: (-counts[name], name))
            offers[quantity] = alike[:_MAX_NAMED]
    return offers


def _virial_hint(names: Iterable[str]) -> str:
    is_there = any("virial" in name.lower() for name in names)
    return f"; a virial has a unit of its own, {VIRIAL}" if is_there else ""


def _left_out(
    records: Sequence[Record], counts: Mapping[str, int], chosen: Iterable[str]
) -> list[str]:
    """Moments, and columns that nobody asked for."""
    notes = []
    moments = {name: n for name, n in counts.items() if _MOMENTS.search(name)}
    if moments:
        listed = _listed(moments, len(records))
        notes.append(f"Magnetic moments are neither compared nor given to potentials: {listed}.")
    used = {*chosen, "migrating", *moments}
    columns = Counter(name for record in records for name in record.columns if name not in used)
    columns = Counter({n: c for n, c in columns.items() if not any(_is_like(q, n) for q in _ROOTS)})
    if columns:
        notes.append(f"Columns that are left out: {_listed(columns, len(records))}.")
    return notes


def sounds_familiar(name: str) -> bool:
    """Whether a name is told here, of a value or a column that is not used."""
    return any(_is_like(quantity, name) for quantity in _ROOTS) or bool(_MOMENTS.search(name))


def _is_like(quantity: str, name: str) -> bool:
    return bool(_ROOTS[quantity].search(name)) and not _OTHER_MEANING.search(name)


def _holds(record: Record, name: str) -> bool:
    return record.values.get(name) is not None or name in record.columns


def _counts(records: Sequence[Record]) -> dict[str, int]:
    names: Counter[str] = Counter()
    for record in records:
        names.update({name for name in record.values if _holds(record, name)} | set(record.columns))
    return dict(names)


def _difference(records: Sequence[Record], chosen: str, other: str) -> float | None:
    """The largest difference of two values; None where they cannot be compared."""
    largest = 0.0
    for record in records:
        numbers = [_numbers(record, name) for name in (chosen, other)]
        if numbers[0] is None or numbers[1] is None or numbers[0].shape != numbers[1].shape:
            return None
        largest = max(largest, float(np.abs(numbers[0] - numbers[1]).max()))
    return largest


def _numbers(record: Record, name: str) -> np.ndarray[Any, Any] | None:
    return finite_numbers(record.columns.get(name, record.values.get(name)))


def _listed(counts: Mapping[str, int], n_records: int) -> str:
    names = [f"{name} ({_share(n, n_records)})" for name, n in list(counts.items())[:_MAX_NAMED]]
    more = f" and {len(counts) - _MAX_NAMED} more" if len(counts) > _MAX_NAMED else ""
    return ", ".join(names) + more


def _share(n: int, n_records: int) -> str:
    return "every structure" if n == n_records else f"{n} of {n_records} structures"
