"""From the name of a calculator kind to its adapter; each is imported only when it is asked for.

A sandbox holds one potential, and importing torch for a Lennard-Jones potential would cost more
than all of its answers.
"""

from __future__ import annotations

import importlib

from evaluator.calculators.base import Adapter

#: Kind by name: the module beside this one, and its adapter's class.
_ADAPTERS = {
    "ase": ("ase_builtin", "AseBuiltinAdapter"),
    "chgnet": ("chgnet", "ChgnetAdapter"),
    "diep": ("diep", "DiepAdapter"),
    "dummy": ("dummy", "DummyAdapter"),
    "grace": ("grace", "GraceAdapter"),
    "mace": ("mace", "MaceAdapter"),
    "matgl": ("matgl", "MatglAdapter"),
    "mattersim": ("mattersim", "MattersimAdapter"),
    "metatomic": ("metatomic", "MetatomicAdapter"),
    "nequip": ("nequip", "NequipAdapter"),
    "nequix": ("nequix", "NequixAdapter"),
    "orb": ("orb", "OrbAdapter"),
    "package": ("package", "PackageAdapter"),
    "sevennet": ("sevennet", "SevennetAdapter"),
    "xtb": ("xtb", "XtbAdapter"),
}

KINDS = tuple(_ADAPTERS)


class UnknownKind(ValueError):
    """There is no calculator kind of this name."""


def make_adapter(kind: str) -> Adapter:
    """Make the adapter of a calculator kind, not yet loaded. Raises UnknownKind."""
    if kind not in _ADAPTERS:
        raise UnknownKind(f"unknown calculator kind {kind!r}; known are {', '.join(_ADAPTERS)}")
    module, name = _ADAPTERS[kind]
    adapter = getattr(importlib.import_module(f"evaluator.calculators.{module}"), name)()
    assert isinstance(adapter, Adapter)  # noqa: S101  (tells mypy what the table above says)
    return adapter
