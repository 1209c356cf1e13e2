"""Reference sets of weakly bound molecules, as they come with ASE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms, units

#: In the order of the set: Jurečka et al. part the 22 by what holds them together.
_KINDS = 7 * ("hydrogen bonds",) + 8 * ("dispersion",) + 7 * ("mixed",)
#: Times the distance at equilibrium.
_STRETCHED = ("0.9", "1.2", "1.5", "2.0")


def s22(files: Sequence[Path], options: Mapping[str, Any]) -> tuple[list[Atoms], dict[str, Any]]:
    """The 22 complexes of S22; with ``is_stretched`` each at four other distances too (S22x5).

    Energies at other distances are those of S22x5, brought by one factor for each complex to the
    better energy at equilibrium, as ASE does by default.
    """
    from ase.data import s22 as data

    frames = []
    for name, kind in zip(data.s22, _KINDS, strict=True):
        n_first, _ = data.get_number_of_dimer_atoms(name)
        energies = {"": data.get_interaction_energy_s22(name)}
        if options.get("is_stretched"):
            energies |= {d: data.get_interaction_energy_s22x5(name, d) for d in _STRETCHED}
        for distance, energy_eV in energies.items():
            molecules = data.create_s22_system(name, distance or None)
            frame = Atoms(molecules.numbers, molecules.positions)
            frame.info = {
                "system_id": f"{name}-{distance}" if distance else name,
                "family": kind,
                "cluster": name,
                "interaction_energy_kcal_mol": round(energy_eV * units.mol / units.kcal, 6),
                "n_first_atoms": n_first,
            }
            frames.append(frame)
    return frames, {"n_complexes": len(data.s22)}
