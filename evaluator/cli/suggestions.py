"""What somebody may have meant who mistyped a name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from evaluator.client import NotFound

_MOST_LISTED = 12
#: Potentials that a name is compared with.
N_COMPARED = 2000


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to stand behind a complaint, or the names that there are; empty without any.

    >>> did_you_mean("eos-wein2k", ["eos-wien2k", "phonons"])
    'did you mean eos-wien2k?'
    >>> did_you_mean("weather", ["eos-wien2k", "phonons"])
    'there are eos-wien2k, phonons'
    """
    names = sorted(set(known))
    near = near_to(name, names)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return ""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"there are {', '.join(names[:_MOST_LISTED])}{more}"


def near_to(name: str, known: Iterable[str]) -> list[str]:
    """Up to three names that are spelled alike, or that begin or end with it; the nearest first."""
    by_folded = {other.lower(): other for other in known}
    folded = name.strip().lower()
    spelled = difflib.get_close_matches(folded, by_folded, n=3, cutoff=0.6)
    parts = [o for o in by_folded if len(folded) > 2 and o.startswith(folded) and o not in spelled]
    return [by_folded[other] for other in [*spelled, *parts][:3]]


@contextmanager
def suggesting(kind: str, name: str, known: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Say what may be meant where a service has nothing of a name, with the code of not found."""
    try:
        yield
    except NotFound as error:
        names = list(known())
        if name in names:
            raise  # it is another version that there is not
        error.args = (f"there is no {kind} {name!r}: {did_you_mean(name, names) or 'none yet'}",)
        raise
