"""How complaints stand behind each other."""

from __future__ import annotations

from collections.abc import Iterable


def in_one_text(complaints: Iterable[str]) -> str:
    """Complaints one behind the other; those that end in no full stop are parted by semicolons.

    >>> in_one_text(["Give a name.", "version: is too long", "It is empty."])
    'Give a name. version: is too long; It is empty.'
    """
    text = ""
    for complaint in complaints:
        if text:
            text += " " if text.endswith((".", "!", "?", ":")) else "; "
        text += complaint
    return text
