"""Strangers' words on pictures: what can be drawn, how wide it is, where it is cut.

Pictures are drawn with the letters that vl-convert brings along (Liberation Sans: Latin, Greek,
Cyrillic, Hebrew) and with whatever fonts the host has. Lengths are in pixels.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import vl_convert

FONT = "Liberation Sans, DejaVu Sans, sans-serif"
_ELLIPSIS = "…"
#: No font will ever have this one: it shows what a missing letter looks like.
_MISSING = "\U0010ffff"
#: Advance of letters over the size of the font, in Liberation Sans.
_ADVANCES = {
    0.26: "ijl'|",
    0.28: " !,./:;I[]\\ft",
    0.34: '()-`r{}"*',
    0.50: "Jckvxyzs",
    0.67: "ABEKPSVXY&",
    0.74: "CDHNRUw",
    0.79: "GOQ",
    0.85: "Mm%",
    1.02: "W@",
}
_ADVANCE = {letter: advance for advance, letters in _ADVANCES.items() for letter in letters}
_USUAL, _WIDE = 0.60, 1.05
#: So many accents may stand on one letter.
_MARKS = 2
#: From here on letters may be as wide as high, and come from other fonts.
_FIRST_FOREIGN = "\u0590"
_BOLD = 1.07


def drawable(text: str, instead: str = "") -> str:
    """The text without what no font here can draw; ``instead`` where no letter is left.

    Control characters go, those that turn the direction of writing among them: SVG allows few of
    them, and none may move what stands beside the text.
    """
    plain = (c if _is_plain(c) else " " for c in unicodedata.normalize("NFC", text))
    text_drawn = ""
    for letter in " ".join("".join(plain).split()):
        is_mark = unicodedata.category(letter) == "Mn"
        if is_mark and all(unicodedata.category(c) == "Mn" for c in text_drawn[-_MARKS:]):
            continue  # a tower of accents would stand in the lines above
        if letter == " " or _has_letter(letter):
            text_drawn += letter
    text_drawn = " ".join(text_drawn.split())
    return text_drawn if any(c.isalnum() for c in text_drawn) else instead


def width_px(text: str, size_px: float, *, is_bold: bool = False) -> float:
    """About how wide the text is drawn: rather too wide than too narrow."""
    advance = sum(_ADVANCE.get(c, _USUAL if c < _FIRST_FOREIGN else _WIDE) for c in text)
    return advance * size_px * (_BOLD if is_bold else 1.0)


def cut(text: str, size_px: float, limit_px: float, *, is_bold: bool = False) -> str:
    """The text, or as much of it as fits with an ellipsis."""
    if width_px(text, size_px, is_bold=is_bold) <= limit_px:
        return text
    for n in range(len(text) - 1, 0, -1):
        shorter = text[:n].rstrip() + _ELLIPSIS
        if width_px(shorter, size_px, is_bold=is_bold) <= limit_px:
            return shorter
    return _ELLIPSIS


def lines(
    text: str, size_px: float, limit_px: float, n_lines: int, *, is_bold: bool = False
) -> list[str]:
    """The text broken between words into at most so many lines, the last one cut."""
    words, filled = text.split(), [""]
    for n, word in enumerate(words):
        longer = f"{filled[-1]} {word}".strip()
        if not filled[-1] or width_px(longer, size_px, is_bold=is_bold) <= limit_px:
            filled[-1] = longer
        elif len(filled) < n_lines:
            filled.append(word)
        else:
            filled[-1] = " ".join([filled[-1], *words[n:]])
            break
    return [cut(line, size_px, limit_px, is_bold=is_bold) for line in filled]


def _is_plain(letter: str) -> bool:
    return not unicodedata.category(letter).startswith("C")


@lru_cache(maxsize=4096)
def _has_letter(letter: str) -> bool:
    """Whether a font here draws it otherwise than it draws what is missing."""
    return letter.isascii() or _picture(letter) != _picture(_MISSING)


def _picture(letter: str) -> bytes:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">'
        f'<text x="2" y="18" font-size="16" font-family="{FONT}">{letter}</text></svg>'
    )
    picture: bytes = vl_convert.svg_to_png(svg)
    return picture
