"""The options of a command that reads a reference file: its ``Convention``."""

from __future__ import annotations

import argparse
from dataclasses import fields

from evaluator.references.conventions import (
    CHOICES,
    ENERGY_UNITS,
    FORCE_UNITS,
    STRESS_UNITS,
    Convention,
)

_HELP = {
    "energy_name": "how the file calls the energy",
    "forces_name": "how the file calls the forces",
    "stress_name": "how the file calls the stress (or the virial)",
    "energy_unit": f"one of {', '.join(ENERGY_UNITS)}",
    "force_unit": f"one of {', '.join(FORCE_UNITS)}",
    "stress_unit": f"one of {', '.join(STRESS_UNITS)}; a virial is an energy, and is divided by "
    "the volume",
    "stress_order": "of six numbers: voigt (xx yy zz yz xz xy), vasp (xx yy zz xy yz zx), lammps "
    "(xx yy zz xy xz yz); nine where there must be nine; unit (default) is voigt, but vasp for "
    "kbar (VASP)",
    "stress_sign": "what a positive number means, tension or compression; unit (default) is "
    "tension, but compression for kbar (VASP) and virials",
}
#: For keyboards that lack the letters.
_SPELLINGS = {"eV/A": "eV/Å", "meV/A": "meV/Å", "kcal/mol/A": "kcal/mol/Å", "eV/A^3": "eV/Å³"} | {
    "eV/A3": "eV/Å³",
    "eV/Å^3": "eV/Å³",
    "eV/Å3": "eV/Å³",
    "vasp": "kbar (VASP)",
    "virial": "virial in eV",
}


def add_convention_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each field of ``Convention``."""
    group = parser.add_argument_group(
        "how the reference file has its values", "the same choices as in the upload form"
    )
    for field in fields(Convention):
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            default=field.default,
            metavar="NAME" if field.name.endswith("_name") else "CHOICE",
            type=str if field.name.endswith("_name") else _spelt,
            choices=CHOICES.get(field.name),
            help=_HELP[field.name],
        )


def _spelt(text: str) -> str:
    return _SPELLINGS.get(text, text)


def convention_of(options: argparse.Namespace) -> Convention:
    """The convention that was chosen. Raises SubmissionError for one that cannot be."""
    return Convention(**{field.name: getattr(options, field.name) for field in fields(Convention)})
