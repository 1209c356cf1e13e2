"""Which licences let anybody use, change and pass on the weights of a potential."""

from __future__ import annotations

import re

#: Beginnings of SPDX names, as https://opendefinition.org/licenses/ and https://spdx.org/licenses/
#: call them open. Words of licences that are free to read alone are looked for behind them.
_OPEN = re.compile(
    r"(mit|0?bsd|isc|apache|[al]?gpl(v\d)?|mpl|epl|eupl|zlib|cc0|cc[- ]by|unlicense|artistic-2"
    r"|odc-by|odbl|pddl|ecl-2)(?![a-z])"
)
#: Non-commercial, no derivatives.
_CLOSED = frozenset({"nc", "nd"})


def is_open(licence: str) -> bool:
    """Whether the name stands for an open licence; a name that is not known does not.

    >>> [is_open(name) for name in ("MIT", "CC-BY-4.0", "CC-BY-NC-4.0", "ASL", "")]
    [True, True, False, False, False]
    """
    name = licence.strip().casefold()
    words = set(re.split(r"[^a-z0-9]+", name))
    return _OPEN.match(name) is not None and words.isdisjoint(_CLOSED)
