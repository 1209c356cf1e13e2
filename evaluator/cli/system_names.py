"""Which systems of a task somebody means: by name or formula, however it is spelled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import gcd

from ase.formula import Formula

from evaluator.cli.suggestions import near_to
from evaluator.exceptions import SubmissionError
from evaluator.protocols.base import System, material

_MOST_LISTED = 12
#: Formulas of more elements than this are compared in proper spelling alone: 120 orders will do.
_MOST_ELEMENTS = 5
#: Elements by name, with how many there are of each in the smallest unit.
Parts = tuple[tuple[str, int], ...]
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def matching(names: Sequence[str], systems: Sequence[System]) -> frozenset[str]:
    """The systems that are named, or all that have a formula.

    Elements may stand in any order and any number of units, and capitals do not matter: LiF, FLi,
    Li4F4 and lif are one. Raises SubmissionError naming all that mean nothing, and what there is.
    """
    chosen: set[str] = set()
    unknown = []
    for name in names:
        meant = _meant(name, systems)
        chosen |= meant
        if not meant:
            unknown.append(name)
    if unknown:
        raise SubmissionError(_complaint(unknown, systems))
    return frozenset(chosen)


def _meant(name: str, systems: Sequence[System]) -> set[str]:
    """By name, by formula, and at last by both whatever the capitals."""
    exact = {system.id for system in systems if system.id == name}
    if exact:
        return exact
    text = name.translate(_SUBSCRIPTS).replace(" ", "")
    by_parts: dict[Parts, set[str]] = {}
    for system in systems:
        by_parts.setdefault(_parts(system), set()).add(system.id)
    written = _parts_of_formula(text)
    if written is not None and written in by_parts:
        return by_parts[written]
    folded = text.casefold()
    alike = {system.id for system in systems if system.id.casefold() == folded}
    # "lif" is no formula as it stands; spelled like one of the set's it is.
    spelled = [ids for parts, ids in by_parts.items() if folded in _spellings(parts)]
    return alike or set().union(*spelled)


def _parts(system: System) -> Parts:
    return _reduced(Formula(system.atoms.get_chemical_formula()).count())


def _parts_of_formula(text: str) -> Parts | None:
    """None for what is no formula."""
    try:
        return _reduced(Formula(text, strict=True).count())
    except (ValueError, KeyError):
        return None


def _reduced(counts: dict[str, int]) -> Parts:
    divisor = gcd(*counts.values()) or 1
    return tuple(sorted((symbol, n // divisor) for symbol, n in counts.items()))


def _spellings(parts: Parts) -> set[str]:
    if len(parts) > _MOST_ELEMENTS:
        return set()
    tokens = [f"{symbol}{n if n > 1 else ''}".casefold() for symbol, n in parts]
    return {"".join(order) for order in permutations(tokens)}


def _complaint(unknown: Sequence[str], systems: Sequence[System]) -> str:
    formulas = sorted({material(system.atoms) for system in systems})
    near = {other for name in unknown for other in near_to(name, [s.id for s in systems])}
    meant = f" Did you mean {' or '.join(sorted(near))}?" if near else ""
    what = " nor ".join(repr(name) for name in unknown)
    return (
        f"the task has no system {what}.{meant} Its formulas are {_listed(formulas)}; its systems "
        f"are {_listed([system.id for system in systems])}"
    )


def _listed(names: Sequence[str]) -> str:
    n_more = len(names) - _MOST_LISTED
    more = f" and {n_more} more" if n_more > 0 else ""
    return f"{', '.join(names[:_MOST_LISTED])}{more}"
