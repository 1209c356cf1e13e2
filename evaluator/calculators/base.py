"""What every adapter inside the sandbox offers: load an artifact once, then answer structures.

Units are ASE's: eV, Å, eV/Å, eV/Å³. Only the wire format of ours is imported here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.wire import Info, Prediction, Structure


class LoadError(Exception):
    """The artifact is not what its kind demands; the message tells the submitter what is wrong."""


class InvalidArtifact(LoadError):
    """The artifact is not even readable as its file format."""


class UnsupportedStructure(Exception):
    """The potential cannot treat this structure (an element it does not know, say)."""


@dataclass(frozen=True, kw_only=True)
class LoadRequest:
    """What an adapter is told when it loads."""

    artifact: Path
    settings: dict[str, Any]
    #: "float32" or "float64"; an adapter that cannot obey reports what it does in its Info.
    dtype: str
    device: str = "cpu"
    n_threads: int = 1


class Adapter(ABC):
    """One kind of potential. A subclass is made by its kind's name in ``server.py``."""

    #: At most this many structures, atoms and (where the model builds graphs) edges in one pass.
    max_batch_structures: int = 1
    max_batch_atoms: int = 4096

    @abstractmethod
    def load(self, request: LoadRequest) -> Info:
        """Load the artifact. Raises LoadError with a sentence for the submitter."""

    @abstractmethod
    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        """Answer each structure, in order, shapes as in Prediction.

        Raises UnsupportedStructure; any other exception is a runtime error of the submission.
        """
