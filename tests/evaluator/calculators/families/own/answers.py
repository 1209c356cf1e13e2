"""What a family's own ASE calculator answers; run by the Python of its runtime, never imported.

``python answers.py FAMILY < question.json`` reads the artifact, settings and structures, and
writes a line of JSON after a mark, since packages print lines of their own. Nothing of ours is
imported.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

MARK = "answers "


def mace(artifact: str, settings: dict[str, Any]) -> Any:
    from mace.calculators import MACECalculator

    return MACECalculator(model_paths=artifact, device="cpu", default_dtype="float64")


def sevennet(artifact: str, settings: dict[str, Any]) -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(artifact, modal=settings.get("modal") or None, device="cpu")


def nequix(artifact: str, settings: dict[str, Any]) -> Any:
    from nequix.calculator import NequixCalculator

    return NequixCalculator(model_path=artifact, backend="jax", use_kernel=False)


def diep(artifact: str, settings: dict[str, Any]) -> Any:
    from diep.pretrained import make_calculator

    calculator = make_calculator(artifact)
    calculator.use_voigt = True
    return calculator


def xtb(artifact: str, settings: dict[str, Any]) -> Any:
    from tblite.ase import TBLite

    return TBLite(verbosity=0, **json.loads(Path(artifact).read_text()))


def orb(artifact: str, settings: dict[str, Any]) -> Any:
    import torch
    from orb_models.forcefield.calculator import ORBCalculator
    from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS

    torch.set_default_dtype(torch.float64)
    if settings.get("architecture"):
        model = ORB_PRETRAINED_MODELS[settings["architecture"]](
            weights_path=artifact, device="cpu", precision="float64", compile=False
        )
    else:
        model = torch.load(artifact, weights_only=False).double()
    return ORBCalculator(model.eval(), device="cpu")


def mattersim(artifact: str, settings: dict[str, Any]) -> Any:
    from mattersim.forcefield.potential import MatterSimCalculator

    return MatterSimCalculator.from_checkpoint(load_path=artifact, device="cpu")


def nequip(artifact: str, settings: dict[str, Any]) -> Any:
    from nequip.integrations.ase import NequIPCalculator

    return NequIPCalculator._from_saved_model(
        artifact, device="cpu", chemical_species_to_atom_type_map=True
    )


def metatomic(artifact: str, settings: dict[str, Any]) -> Any:
    from metatomic_ase import MetatomicCalculator

    variant = settings.get("variant")
    return MetatomicCalculator(artifact, variants={"energy": variant} if variant else None)


def grace(artifact: str, settings: dict[str, Any]) -> Any:
    from tensorpotential.calculator import TPCalculator

    return TPCalculator(artifact)


def main() -> None:
    warnings.simplefilter("ignore")
    question = json.load(sys.stdin)
    started = time.perf_counter()
    calculator = globals()[sys.argv[1]](question["artifact"], question["settings"])
    load_s = time.perf_counter() - started
    answers = [_answer(calculator, structure) for structure in question["structures"]]
    print(MARK + json.dumps({"load_s": load_s, "answers": answers}), flush=True)


def _answer(calculator: Any, structure: dict[str, Any]) -> dict[str, Any]:
    from ase import Atoms

    charge, spin = structure.pop("charge"), structure.pop("spin")
    atoms = Atoms(**structure, info={"charge": charge, "spin": spin})
    if charge or spin != 1:
        calculator.set(charge=charge, multiplicity=spin)
    atoms.calc = calculator
    started = time.perf_counter()
    energy, forces = float(atoms.get_potential_energy()), atoms.get_forces().tolist()
    # As it was asked: some calculators write a box of their own into the atoms.
    stress = atoms.get_stress().tolist() if all(structure["pbc"]) else None
    seconds = time.perf_counter() - started
    return {"energy": energy, "forces": forces, "stress": stress, "seconds": seconds}


if __name__ == "__main__":
    main()
