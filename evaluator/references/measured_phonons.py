"""Measured frequencies of simple crystals at Γ, from ``measured_modes.toml``.

Crystals of two atoms in the primitive cell have one optical mode at Γ, threefold where it is not
split into a longitudinal and a transverse part. Finite displacements without the non-analytical
correction give the transverse one, which is what the table holds of polar crystals.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.build import bulk

#: One cm⁻¹ in THz: the speed of light in units of 10¹⁰ cm/s.
THZ_PER_INVERSE_CM = 0.0299792458


@dataclass(frozen=True, kw_only=True)
class MeasuredMode:
    """An entry of ``measured_modes.toml``, where its fields are explained."""

    formula: str
    structure: str
    start_A: float
    frequency_per_cm: float
    technique: str
    source: str
    read_in: str
    compare: str = ""
    uncertainty_per_cm: float | None = None
    temperature_K: float | None = None


def measured_modes() -> tuple[MeasuredMode, ...]:
    text = (
        resources.files("evaluator.references")
        .joinpath("measured_modes.toml")
        .read_text(encoding="utf-8")
    )
    return tuple(MeasuredMode(**entry) for entry in tomllib.loads(text)["mode"])


def measured_gamma(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """A reference set of the whole table: primitive cells with ``gamma_max_THz``."""
    frames, sources = [], {}
    for mode in measured_modes():
        crystal = bulk(mode.formula, mode.structure, a=mode.start_A)
        atoms = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True)
        atoms.info = {
            "system_id": f"measured-{mode.formula}-{mode.structure}",
            "family": mode.structure,
            "gamma_max_THz": round(mode.frequency_per_cm * THZ_PER_INVERSE_CM, 4),
        }
        if mode.temperature_K is not None:
            atoms.info["temperature_K"] = mode.temperature_K
        frames.append(atoms)
        value = f"{mode.frequency_per_cm:g} cm⁻¹ ({mode.technique})"
        sources[f"{mode.formula} {mode.structure}"] = f"{value}: {mode.source}"
    return frames, {"sources": sources}
