"""Values that JSON and a database can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any, *, keep_nonfinite: bool = False) -> Any:  # noqa: ANN401  (any value)
    """Return a value in JSON's types. NaN and infinities, which JSON lacks, become None.

    ``keep_nonfinite`` leaves them as they are, for values that are still computed with.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item, keep_nonfinite=keep_nonfinite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, keep_nonfinite=keep_nonfinite) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), keep_nonfinite=keep_nonfinite)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value) and not keep_nonfinite:
        return None
    return value
