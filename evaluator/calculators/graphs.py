"""Adapters of potentials that read graphs: many structures in one pass, as many as memory holds.

Graphs are built first and counted, because atoms alone do not tell what a pass will take: the
edges of eight cells of a hundred atoms can fill twenty gigabytes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from evaluator.calculators.base import Adapter
from evaluator.calculators.memory import empty_cache, is_out_of_memory, pass_budget
from evaluator.wire import Prediction, Structure

GraphT = TypeVar("GraphT")


@dataclass(frozen=True, eq=False)
class Sized(Generic[GraphT]):
    """A structure with its graph and the memory that a pass is expected to need for it."""

    structure: Structure
    graph: GraphT
    n_bytes: int


class GraphAdapter(Adapter, Generic[GraphT]):
    """An adapter that says how to build graphs and how to judge several of them at once."""

    max_batch_structures = 256
    max_batch_atoms = 50_000
    #: A pass is planned to take no more than this; a single structure may.
    max_pass_bytes = 1 << 30

    @abstractmethod
    def build(self, structure: Structure) -> Sized[GraphT]:
        """The structure's graph, and about how many bytes a pass needs for it."""

    @abstractmethod
    def predict(
        self, batch: Sequence[Sized[GraphT]], properties: Sequence[str]
    ) -> list[Prediction]:
        """Judge a batch in one pass."""

    def bound_passes(self, device: str) -> None:
        """Fit the passes to a device; for ``load``."""
        self.max_pass_bytes = pass_budget(device)

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        waiting = [self.build(structure) for structure in structures]
        predictions: list[Prediction] = []
        while waiting:
            batch = self._next_pass(waiting)
            try:
                predictions += self.predict(batch, properties)
            except Exception as error:
                if len(batch) == 1 or not is_out_of_memory(error):
                    raise
                # Remembered: what is planned to take half of this fits.
                self.max_pass_bytes = sum(sized.n_bytes for sized in batch) // 2
                empty_cache()
            else:
                del waiting[: len(batch)]
        return predictions

    def _next_pass(self, waiting: Sequence[Sized[GraphT]]) -> list[Sized[GraphT]]:
        """The first of those that wait, as many as are planned to fit."""
        n_bytes = 0
        for n, sized in enumerate(waiting):
            n_bytes += sized.n_bytes
            if n > 0 and n_bytes > self.max_pass_bytes:
                return list(waiting[:n])
        return list(waiting)
