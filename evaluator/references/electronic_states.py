"""Charge and spin of a structure, under whatever name a file has them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from evaluator.exceptions import SubmissionError
from evaluator.references.extxyz import shown

#: Names that people give to the charge of a structure, to its spin multiplicity 2S + 1, and to the
#: number of its unpaired electrons, which is one less.
CHARGE_NAMES = ("charge", "total_charge", "net_charge", "tot_charge", "system_charge")
SPIN_NAMES = ("spin", "total_spin", "spin_multiplicity", "multiplicity", "mult")
UNPAIRED_NAMES = ("n_unpaired", "unpaired_electrons", "uhf")
#: Also how some name the energy of unrestricted Hartree-Fock, which is no number of electrons.
_ALSO_AN_ENERGY = "uhf"
#: Far beyond every charge and every spin of the field, and far within the numbers of the wire.
_LARGEST = 1000
#: ASE writes None as the name alone, which reads as true, and an empty text as nothing.
_NO_VALUES = (None, "", "T")


def is_electronic_number(value: object) -> bool:
    """Whether it is a whole number that can be a charge or a spin, of either sign."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return False
    # Python compares whole numbers of any length; NaN is within no bounds.
    return bool(-_LARGEST <= value <= _LARGEST) and value == int(value)


def bare(name: str) -> str:
    """A name without what parts its words: totalCharge, total-charge and total_charge are one."""
    return re.sub(r"[\W_]", "", name).lower()


_BARE_NAMES = frozenset(map(bare, (*CHARGE_NAMES, *SPIN_NAMES, *UNPAIRED_NAMES)))


def is_electronic_name(name: str) -> bool:
    """Whether a value of this name is read as the charge or the spin of a structure."""
    return bare(name) in _BARE_NAMES


def take_electronic_state(values: dict[str, Any], place: str) -> dict[str, int]:
    """``charge`` and ``spin`` (2S + 1) where there is either; their names leave ``values``.

    A spin of 0 is a closed shell, as fairchem writes it. Raises SubmissionError for two values of
    one thing and for what is no whole number.
    """
    charges = _whole_numbers(values, CHARGE_NAMES, place)
    spins = {k: max(v, 1) for k, v in _whole_numbers(values, SPIN_NAMES, place, 0).items()}
    spins |= {k: v + 1 for k, v in _whole_numbers(values, UNPAIRED_NAMES, place, 0).items()}
    for given in (charges, spins):
        if len(set(given.values())) > 1:
            raise SubmissionError(f"{place}: {' and '.join(given)} contradict each other.")
    if not charges and not spins:
        return {}
    if left := [name for name in ("charge", "spin") if name in values]:
        raise SubmissionError(
            f"{place}: {left[0]} is a list beside a charge or spin of the whole structure. Numbers "
            "of each atom are a column, or need another name."
        )
    return {"charge": next(iter(charges.values()), 0), "spin": next(iter(spins.values()), 1)}


def _whole_numbers(
    values: dict[str, Any], names: tuple[str, ...], place: str, least: int | None = None
) -> dict[str, int]:
    """Take what stands under these names, in any case of letters, out of ``values``."""
    numbers: dict[str, int] = {}
    known = {bare(name) for name in names}
    for name in [name for name in values if bare(name) in known]:
        value = values[name]
        if isinstance(value, list | np.ndarray):
            continue  # of each atom, or something else of that name
        is_one = is_electronic_number(value) and (least is None or value >= least)
        if not is_one and name.lower() == _ALSO_AN_ENERGY:
            continue
        del values[name]
        if value in _NO_VALUES:
            continue
        if not is_one:
            bounds = f"{-_LARGEST if least is None else least} to {_LARGEST}"
            text = shown(value if isinstance(value, str) else repr(value))
            raise SubmissionError(f"{place}: {name} must be a whole number ({bounds}), not {text}.")
        numbers[name] = int(value)
    return numbers
