"""Names of potentials: cut to a length, and as a field that takes them offers them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from django.utils.safestring import SafeString, mark_safe


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def options(names: Iterable[tuple[str, str]]) -> SafeString:
    """Options of a ``datalist``: what the field is to hold, and what it stands for."""
    parts = (f'<option value="{escape(key)}">{escape(title)}</option>' for key, title in names)
    return mark_safe("".join(parts))  # noqa: S308  (escaped)
