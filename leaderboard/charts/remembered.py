"""Charts that were drawn last, so that the same one is not drawn again: it takes a tenth second."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Hashable
from functools import wraps
from typing import ParamSpec, TypeVar

from leaderboard.lib.memory import of_process

_CHARTS_KEPT = 64
_Arguments = ParamSpec("_Arguments")
_Drawn = TypeVar("_Drawn")

_kept = of_process(_CHARTS_KEPT)


def remembered(draw: Callable[_Arguments, _Drawn]) -> Callable[_Arguments, _Drawn]:
    """Remember a function that draws its arguments alone: plain values or frames."""

    @wraps(draw)
    def drawn(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Drawn:
        written = pickle.dumps((draw.__module__, draw.__qualname__, args, kwargs))
        return remember(hashlib.sha256(written).digest(), lambda: draw(*args, **kwargs))

    return drawn


def remember(key: Hashable, draw: Callable[[], _Drawn]) -> _Drawn:
    """What was drawn under this key, which must tell everything that is drawn."""
    return _kept.value(key, draw)
