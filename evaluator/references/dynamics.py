"""Starting structures of molecular dynamics, built from ASE and published lattice constants.

No calculation stands behind them: lattice constants and melting points are measured facts, rounded
as in the CRC Handbook of Chemistry and Physics (97th edition). Every structure comes once for each
seed, under its own name: a replica.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.spacegroup import crystal
from ase.units import mol
from scipy.spatial.transform import Rotation


@dataclass(frozen=True, kw_only=True)
class StartingStructure:
    """A structure before it is repeated to the size that is asked for."""

    family: str
    build: Callable[[], Atoms]
    #: Of the crystal built here; None where it is not known, or where ions move before.
    melting_point_K: float | None = None
    #: Molecules keep their bonds up to here on the time scale of a simulation.
    bonds_hold_below_K: float | None = None
    #: Whether this is the phase in which the lattice constants were measured at room temperature
    #: and pressure: then its density is a measured one.
    has_density: bool = True


def _crystal(symbol: str, kind: str, a: float, c: float | None = None) -> Callable[[], Atoms]:
    def build() -> Atoms:
        atoms: Atoms = bulk(symbol, kind, a=a, c=c, cubic=kind != "hcp")
        return atoms

    return build


def _perovskite(a_site: str, b_site: str, anion: str, a: float) -> Callable[[], Atoms]:
    basis = [(0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5)]

    def build() -> Atoms:
        symbols = [a_site, b_site, anion, anion, anion]
        return Atoms(symbols, scaled_positions=basis, cell=[a, a, a], pbc=True)

    return build


def _fluorite(twice: str, once: str, a: float) -> Callable[[], Atoms]:
    def build() -> Atoms:
        atoms: Atoms = crystal(
            [once, twice],
            [(0, 0, 0), (0.25, 0.25, 0.25)],
            spacegroup=225,
            cellpar=[a] * 3 + [90] * 3,
        )
        return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)

    return build


def _rutile() -> Atoms:
    atoms = crystal(
        ["Ti", "O"],
        [(0, 0, 0), (0.3053, 0.3053, 0)],
        spacegroup=136,
        cellpar=[4.594, 4.594, 2.959, 90, 90, 90],
    )
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)


def _liquid(name: str, density_g_cm3: float, n_per_edge: int = 2) -> Callable[[], Atoms]:
    """Molecules on a cubic grid, each turned at random but always the same way."""

    def build() -> Atoms:
        rng = np.random.default_rng(20260)
        one = molecule(name)
        one.positions -= one.get_center_of_mass()
        edge = (one.get_masses().sum() / (density_g_cm3 * 1e-24 * mol)) ** (1 / 3)
        box = Atoms(cell=[n_per_edge * edge] * 3, pbc=True)
        for place in np.ndindex(n_per_edge, n_per_edge, n_per_edge):
            turned = one.copy()
            rotation = Rotation.from_quat(rng.normal(size=4))
            turned.positions = rotation.apply(one.positions) + (np.array(place) + 0.5) * edge
            box += turned
        return Atoms(box.numbers, box.positions, cell=box.cell, pbc=True)

    return build


STRUCTURES: dict[str, StartingStructure] = {
    "Al": StartingStructure(
        family="element", build=_crystal("Al", "fcc", 4.05), melting_point_K=933
    ),
    "Cu": StartingStructure(
        family="element", build=_crystal("Cu", "fcc", 3.615), melting_point_K=1358
    ),
    "W": StartingStructure(
        family="element", build=_crystal("W", "bcc", 3.165), melting_point_K=3695
    ),
    "Na": StartingStructure(
        family="element", build=_crystal("Na", "bcc", 4.29), melting_point_K=371
    ),
    "Mg": StartingStructure(
        family="element", build=_crystal("Mg", "hcp", 3.209, c=5.211), melting_point_K=923
    ),
    "Si": StartingStructure(
        family="element", build=_crystal("Si", "diamond", 5.431), melting_point_K=1687
    ),
    "NaCl": StartingStructure(
        family="rocksalt", build=_crystal("NaCl", "rocksalt", 5.640), melting_point_K=1074
    ),
    "MgO": StartingStructure(
        family="rocksalt", build=_crystal("MgO", "rocksalt", 4.212), melting_point_K=3098
    ),
    "PbTe": StartingStructure(
        family="rocksalt", build=_crystal("PbTe", "rocksalt", 6.462), melting_point_K=1197
    ),
    "GaAs": StartingStructure(
        family="zincblende", build=_crystal("GaAs", "zincblende", 5.653), melting_point_K=1511
    ),
    "ZnTe": StartingStructure(
        family="zincblende", build=_crystal("ZnTe", "zincblende", 6.103), melting_point_K=1512
    ),
    "SrTiO3": StartingStructure(
        family="perovskite", build=_perovskite("Sr", "Ti", "O", 3.905), melting_point_K=2353
    ),
    "CsPbCl3": StartingStructure(
        family="perovskite", build=_perovskite("Cs", "Pb", "Cl", 5.605), has_density=False
    ),
    "TiO2": StartingStructure(family="oxide", build=_rutile, melting_point_K=2116),
    "CeO2": StartingStructure(
        family="oxide", build=_fluorite("O", "Ce", 5.411), melting_point_K=2673
    ),
    "CaF2": StartingStructure(
        family="fluoride", build=_fluorite("F", "Ca", 5.463), melting_point_K=1691
    ),
    # Its fluoride ions move long before it melts, which is why it has no melting point here.
    "PbF2": StartingStructure(family="ionic conductor", build=_fluorite("F", "Pb", 5.940)),
    "Li3OCl": StartingStructure(
        family="ionic conductor", build=_perovskite("Cl", "O", "Li", 3.907), has_density=False
    ),
    "Cl2": StartingStructure(
        family="molecular liquid",
        build=_liquid("Cl2", 1.56),
        bonds_hold_below_K=1000,
        has_density=False,
    ),
    "H2O": StartingStructure(
        family="molecular liquid",
        build=_liquid("H2O", 0.997),
        bonds_hold_below_K=1000,
        has_density=False,
    ),
}


def md_systems(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """Replicas of the named structures.

    ``structures`` names them, ``n_atoms`` is the least size to which cells are repeated along
    their shortest edge, ``n_seeds`` the number of replicas of each. With ``with_density`` each
    carries its measured density, which not all have.
    """
    frames = []
    for name in options["structures"]:
        structure = STRUCTURES[name]
        atoms = _repeated(structure.build(), int(options["n_atoms"]))
        # The file holds eight decimals: rounding first gives the same bytes on every machine.
        atoms.positions = np.round(atoms.positions, 6) + 0.0
        atoms.cell = np.round(atoms.cell.array, 6) + 0.0
        for seed in range(int(options["n_seeds"])):
            replica = atoms.copy()
            replica.info = {
                "system_id": f"md-{name}-{len(atoms)}-seed{seed}",
                "family": structure.family,
            }
            for key in ("melting_point_K", "bonds_hold_below_K"):
                if (value := getattr(structure, key)) is not None:
                    replica.info[key] = float(value)
            if options.get("with_density", False):
                replica.info["density_g_cm3"] = _density(name, replica)
            frames.append(replica)
    sizes = [len(atoms) for atoms in frames]
    return frames, {"smallest_n_atoms": min(sizes), "largest_n_atoms": max(sizes)}


def _density(name: str, atoms: Atoms) -> float:
    if not STRUCTURES[name].has_density:
        raise ValueError(f"{name} is not known to have been measured as it is built here")
    grams = float(atoms.get_masses().sum()) / mol
    return round(grams / (1e-24 * float(atoms.get_volume())), 4)


def _repeated(atoms: Atoms, n_atoms: int) -> Atoms:
    repeats = [1, 1, 1]
    lengths = atoms.cell.lengths()
    while len(atoms) * np.prod(repeats) < n_atoms:
        repeats[int(np.argmin(lengths * repeats))] += 1
    repeated: Atoms = atoms.repeat(repeats)
    return repeated
