"""Heads, modalities and tasks of a checkpoint: said by the submission, never guessed."""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.calculators.base import LoadError

_MOST_SHOWN = 40


def choose(setting: str, wanted: str, offered: Sequence[str], what: str) -> str:
    """Which of the ``offered`` is meant; empty where the checkpoint has none.

    The only one goes without saying. Raises LoadError listing what there is where several are
    offered and none is named, and for a name that is none of them.
    """
    if wanted in offered or (not wanted and not offered):
        return wanted
    if not offered:
        raise LoadError(f'{what} has nothing to choose by "{setting}": leave it out')
    listed = ", ".join(offered[:_MOST_SHOWN])
    if wanted:
        alike = [name for name in offered if name.lower() == wanted.lower()]
        meant = f"; did you mean {alike[0]}?" if len(alike) == 1 else ""
        raise LoadError(f"{what} has no {setting} {wanted!r}; it has {listed}{meant}")
    if len(offered) > 1:
        raise LoadError(
            f"{what} has several, and they are different potentials: set {setting} to one of "
            f"{listed}"
        )
    return offered[0]
