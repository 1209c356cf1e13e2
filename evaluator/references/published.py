"""Reads files as authors publish them: JSON, compressed or not, and pymatgen's structures."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase import Atoms


def read_json(path: Path) -> Any:  # noqa: ANN401  (any JSON)
    """What a JSON file holds, or one that was compressed with gzip."""
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def pymatgen_atoms(structure: Mapping[str, Any]) -> Atoms:
    """The atoms of pymatgen's description of an ordered crystal."""
    sites = structure["sites"]
    return Atoms(
        [site["species"][0]["element"] for site in sites],
        scaled_positions=[site["abc"] for site in sites],
        cell=structure["lattice"]["matrix"],
        pbc=True,
    )
