"""Text that a submission wrote: cleaned, so that it can be stored and shown."""

from __future__ import annotations

import re
import unicodedata

#: Terminal escape sequences: CSI, OSC and the two-character ones.
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
#: Control, format (which holds the bidirectional overrides), surrogate, private, unassigned.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def clean_text(text: str) -> str:
    """Return text without control characters, but for line breaks and tabs."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _REFUSED)


def clean_line(text: str, n_max: int) -> str:
    """Return text on one line, white space closed up, with at most so many characters."""
    line = " ".join(clean_text(text).split())
    return line if len(line) <= n_max else line[: n_max - 1] + "…"
