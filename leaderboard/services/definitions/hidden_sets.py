"""Hidden reference sets that rotate: a new version is hidden, the old one may be opened.

Opening is an act of its own, and never follows by itself: what readers may know of evaluations
follows from the set (``models/disclosure.py``), so all that were ever made on it open with it.
"""

from __future__ import annotations

from leaderboard.exceptions import SubmissionError
from leaderboard.lib import blobs, extxyz
from leaderboard.models import ReferenceSet


def open_set(reference: ReferenceSet) -> str:
    """Show structures and values of a set to everybody; returns nothing to add in words.

    Raises SubmissionError where structures of it stand in a set that stays hidden.
    """
    check_may_be_opened(reference)
    _set(reference, is_public=True)
    return ""


def check_may_be_opened(reference: ReferenceSet) -> None:
    """Raises SubmissionError where structures of it stand in another set, which is hidden."""
    structures = _structures_of(reference)
    for other in ReferenceSet.objects.filter(is_public=False).exclude(pk=reference.pk):
        n_common = len(structures & _structures_of(other))
        if n_common or other.sha256 == reference.sha256:
            raise SubmissionError(
                f"{n_common} structures of {reference} stand in {other} too, which stays hidden. "
                f"Open {other} first, or withdraw it: make a version without them."
            )


def hide_set(reference: ReferenceSet) -> str:
    """From now on; what was read of it while it was open is known."""
    _set(reference, is_public=False)
    return ""


def _set(reference: ReferenceSet, *, is_public: bool) -> None:
    reference.is_public = is_public
    reference.save(update_fields=["is_public"])


def _structures_of(reference: ReferenceSet) -> set[tuple[object, ...]]:
    """Symbols, positions and cells, whatever they are called; none where the file is not here."""
    if not blobs.exists(reference.storage_name):
        return set()
    with blobs.open_stored(reference.storage_name) as file:
        text = file.read().decode()
    parsed = (extxyz.parse(frame) for frame in extxyz.frames(text))
    return {(s.symbols, s.positions, s.cell) for s in parsed}
