"""In the place of ``ase.collections.collection``: importable, and empty-handed."""

from __future__ import annotations

from typing import Any, NoReturn


class ReferenceDataWithheld(RuntimeError):
    """A collection was read inside the sandbox."""


class Collection:
    """Knows its name; whoever reads it is told why it cannot be had."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _withhold(self, *_: Any) -> NoReturn:  # noqa: ANN401  (whatever is asked)
        raise ReferenceDataWithheld(
            f"ase.collections.{self.name} is reference data, which no calculator of a benchmark "
            "may read; it is left out of the sandbox. Give the structure in your own code."
        )

    __getitem__ = __iter__ = __len__ = has = _withhold

    @property
    def names(self) -> list[str]:
        self._withhold()

    @property
    def data(self) -> dict[str, Any]:
        self._withhold()

    def __repr__(self) -> str:
        return f"<the collection {self.name}, which is left out of the sandbox>"
