"""A metatomic model of pairs that repel each other, twice as much in the variant "doubled".

A module of its own, as TorchScript reads its annotations from what is imported here.
"""

from typing import Dict, List, Optional  # noqa: UP035  (TorchScript's names for them)

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
)

_CUTOFF_A = 4.0


class Pairs(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.options = NeighborListOptions(cutoff=_CUTOFF_A, full_list=True, strict=True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:  # noqa: UP006
        return [self.options]

    def forward(
        self,
        systems: List[System],  # noqa: UP006
        outputs: Dict[str, ModelOutput],  # noqa: UP006
        selected_atoms: Optional[Labels],  # noqa: UP045
    ) -> Dict[str, TensorMap]:  # noqa: UP006
        energies: List[torch.Tensor] = []  # noqa: UP006
        for system in systems:
            vectors = system.get_neighbor_list(self.options).values.reshape(-1, 3)
            distances = torch.sqrt((vectors**2).sum(-1))
            energies.append((torch.exp(-distances) * (1 - distances / 4.0) ** 3).sum() / 2.0)
        result: Dict[str, TensorMap] = {}  # noqa: UP006
        for name in outputs.keys():  # noqa: SIM118
            factor = 2.0 if name == "energy/doubled" else 1.0
            block = TensorBlock(
                values=factor * torch.stack(energies).reshape(-1, 1),
                samples=Labels(["system"], torch.arange(len(systems)).reshape(-1, 1)),
                components=[],
                properties=Labels(["energy"], torch.tensor([[0]])),
            )
            result[name] = TensorMap(Labels(["_"], torch.tensor([[0]])), [block])
        return result


def exported() -> AtomisticModel:
    energy = ModelOutput(unit="eV", sample_kind="system")
    capabilities = ModelCapabilities(
        outputs={"energy": energy, "energy/doubled": energy},
        atomic_types=[1, 8, 14],
        interaction_range=_CUTOFF_A,
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    return AtomisticModel(Pairs().eval(), ModelMetadata(), capabilities)
