"""The structure of a system, out of the file of its reference set. Hidden sets show nothing."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from django.contrib.auth.models import AnonymousUser

from leaderboard.exceptions import InfrastructureError
from leaderboard.lib import blobs, crystals, extxyz
from leaderboard.models import ReferenceSet
from leaderboard.models.disclosure import may_read_set

#: Larger files are not searched for a page.
_MAX_BYTES = 64 * 2**20
#: Sets whose frames' places are remembered by this process.
_REMEMBERED = 32
#: Of larger files crystals are not compared.
_MAX_COMPARED_BYTES = 4 * 2**20
_EVERYBODY = AnonymousUser()


def structure_of(reference: ReferenceSet | None, system_id: str) -> extxyz.ShownStructure | None:
    """None where the set is hidden or too large for pages, or holds no such system.

    Raises InfrastructureError where the file is lost or damaged.
    """
    if reference is None or reference.size_bytes > _MAX_BYTES:
        return None
    if not may_read_set(_EVERYBODY, reference):
        return None
    try:
        place = _places(reference.storage_name).get(system_id)
        if place is None:
            return None
        offset, length = place
        with blobs.open_stored(reference.storage_name) as file:
            file.seek(offset)
            return extxyz.parse(file.read(length).decode())
    except (extxyz.BadStructureError, UnicodeDecodeError) as error:
        raise InfrastructureError(f"{reference} cannot be read: {error}") from error


class Shapes:
    """The crystals of a set without their volumes, each made when it is first asked for."""

    def __init__(self, text: str) -> None:
        self._frames = {extxyz.name_of(frame): frame for frame in extxyz.frames(text)}
        self._compositions: dict[str, dict[str, int]] = {}
        self._shapes: dict[str, crystals.Shape | None] = {}

    def shape_of(
        self, system_id: str, wanted: Collection[dict[str, int]] | None = None
    ) -> crystals.Shape | None:
        """None where there is no such system, it is no small crystal, or of no wanted formula."""
        if system_id not in self._frames or self._is_unwanted(system_id, wanted):
            return None
        if system_id not in self._shapes:
            structure = extxyz.parse(self._frames[system_id])
            self._shapes[system_id] = crystals.shape_of(structure)
        return self._shapes[system_id]

    def _is_unwanted(self, system_id: str, wanted: Collection[dict[str, int]] | None) -> bool:
        if wanted is None:
            return False
        if system_id not in self._compositions:
            symbols = extxyz.parse(self._frames[system_id]).symbols
            self._compositions[system_id] = crystals.composition_of(symbols)
        return self._compositions[system_id] not in wanted


def shapes_of(reference: ReferenceSet | None) -> Shapes:
    """Those of an open set; of a hidden or a large one none.

    Raises InfrastructureError where the file is lost or damaged.
    """
    if reference is None or reference.size_bytes > _MAX_COMPARED_BYTES:
        return Shapes("")
    if not may_read_set(_EVERYBODY, reference):
        return Shapes("")
    try:
        return _shapes(reference.storage_name)
    except (extxyz.BadStructureError, UnicodeDecodeError) as error:
        raise InfrastructureError(f"{reference} cannot be read: {error}") from error


@lru_cache(maxsize=_REMEMBERED)
def _shapes(storage_name: str) -> Shapes:
    """By a name that is a hash: what it stands for never changes."""
    with blobs.open_stored(storage_name) as file:
        return Shapes(file.read().decode())


@lru_cache(maxsize=_REMEMBERED)
def _places(storage_name: str) -> dict[str, tuple[int, int]]:
    """Offset and length in bytes of each system's frame. The name is a hash: it never changes."""
    with blobs.open_stored(storage_name) as file:
        text = file.read().decode()
    places, at = {}, 0
    for frame in extxyz.frames(text):
        length = len(frame.encode())
        places[extxyz.name_of(frame)] = (at, length)
        at += length
    return places
