"""The structure of a system, out of the file of its reference set. Hidden sets show nothing."""

from __future__ import annotations

from functools import lru_cache

from django.contrib.auth.models import AnonymousUser

from leaderboard.exceptions import InfrastructureError
from leaderboard.lib import blobs, extxyz
from leaderboard.models import ReferenceSet
from leaderboard.models.disclosure import may_read_set

#: Larger files are not searched for a page.
_MAX_BYTES = 64 * 2**20
#: Sets whose frames' places are remembered by this process.
_REMEMBERED = 32
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
