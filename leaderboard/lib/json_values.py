"""Makes values that the physics or a submission produced fit for PostgreSQL's json and text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard


def clean_json(value: object) -> Any:  # noqa: ANN401  (any JSON value)
    """Return the value in plain JSON types; NaN and infinity become None, as JSON has neither.

    Raises TypeError for what is no JSON value at all.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return finite(float(value))
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    raise TypeError(f"{value!r} of {type(value).__name__} cannot be stored as JSON")


def clean_text(text: str) -> str:
    """PostgreSQL refuses NUL in texts, and lone surrogates are not UTF-8."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def finite(value: float | None) -> float | None:
    """The number itself, or None for NaN and infinity."""
    return value if value is not None and math.isfinite(value) else None


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is one, and neither NaN nor infinity."""
    return isinstance(value, int | float) and math.isfinite(value)
