"""Cards that were drawn, kept in DATA_DIR for all processes of a host.

Each page has a folder with its last card, so there are never more files than pages. A card is
named by its digest: it is drawn again when what it shows has changed, and by one process at a time.
"""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

from django.conf import settings

from leaderboard.charts.base import write_whole
from leaderboard.charts.cards import Card, draw

_FOLDER = "cards"


def kept(card: Card, page: str) -> bytes | None:
    """The card as PNG, if it was drawn before."""
    try:
        return _path(card, page).read_bytes()
    except FileNotFoundError:
        return None


def drawn(card: Card, page: str) -> bytes:
    """Draw and keep it, while other processes that want it wait for the result."""
    path = _path(card, page)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        picture = kept(card, page)
        if picture is None:
            picture = draw(card)
            write_whole(path, picture)
        for old in path.parent.glob("*.png"):
            if old != path:
                old.unlink(missing_ok=True)
    return picture


def _path(card: Card, page: str) -> Path:
    name = hashlib.sha256(page.encode()).hexdigest()
    return Path(settings.DATA_DIR) / _FOLDER / name[:2] / name / f"{card.digest}.png"
