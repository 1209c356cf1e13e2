"""Names that people choose: the letters they may have, and whether two look alike.

A name is kept in Unicode's form NFKC. Letters of every script stand in names; what cannot be seen,
or turns what stands around it, does not. What looks like another name is not refused here: names
of two people do look alike. It is told, where it is shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from confusable_homoglyphs.confusables import confusables_data
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Combinable

if TYPE_CHECKING:
    Base = models.CharField[str | int | Combinable, str]
else:
    Base = models.CharField

#: Categories that no name needs: controls, formats, surrogates, private and unassigned letters.
_REFUSED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
#: Letters and marks by their category that show nothing.
_BLANK = {
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
}
#: Marks on one letter, after its own accents have been joined with it.
_MAX_MARKS = 2
_SEPARATORS = re.compile(r"[\s_\-‐-―−⁃]+")
#: Scripts whose letters are drawn like ours.
_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "GEORGIAN", "LISU")


def normal(name: str) -> str:
    """As it is kept: NFKC, single spaces, none at the ends."""
    return re.sub(" +", " ", unicodedata.normalize("NFKC", name)).strip()


def fault_of(name: str) -> str:
    """Which character cannot stand in a name, and at which place; empty where all can."""
    n_marks = 0
    before = " "
    for place, letter in enumerate(name, start=1):
        category = unicodedata.category(letter)
        if category in _REFUSED or ord(letter) in _BLANK:
            return f"{_told(letter, place)} cannot be seen. Leave it out."
        n_marks = n_marks + 1 if category in {"Mn", "Me"} else 0
        if n_marks and not before.strip():
            return f"{_told(letter, place)} stands on no letter. Leave it out."
        if n_marks > _MAX_MARKS:
            return f"{_told(letter, place)} is mark {n_marks} on one letter. Leave it out."
        before = letter
    if name and not any(letter.isalnum() for letter in name):
        return "A name needs a letter or a digit."
    return ""


def validate_name(name: str) -> None:
    """Raise ValidationError for what ``fault_of`` tells."""
    if fault := fault_of(unicodedata.normalize("NFKC", name)):
        raise ValidationError(fault, code="invisible")


class NameField(Base):
    """A name that people choose; forms, services and the API all pass by here."""

    default_validators = [validate_name]

    def to_python(self, value: object) -> str | None:
        text: str | None = super().to_python(value)
        return text if text is None else normal(text)


@lru_cache(maxsize=20_000)
def skeleton(name: str) -> str:
    """What the eye makes of a name: two that look alike have the same.

    Look-alikes of Unicode's table become one letter; accents, case and the kind of separators are
    left out, since they are overlooked.
    """
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name))
    letters = "".join(_plain().get(c, c) for c in text if unicodedata.category(c) != "Mn")
    folded = "".join(_plain().get(c, c) for c in letters.casefold())
    return _SEPARATORS.sub("-", folded).strip("-")


def mixed_letters(name: str) -> list[str]:
    """Letters of another script inside a word of Latin ones, that could be taken for Latin.

    ``α-quartz`` has none: its α is a word of its own.
    """
    if name.isascii():
        return []
    return [letter for word in re.findall(r"[^\W\d_]+", name) for letter in _foreign(word)]


def _foreign(word: str) -> Iterator[str]:
    scripts = [_script(letter) for letter in word]
    if "LATIN" not in scripts:
        return
    for letter, script in zip(word, scripts, strict=True):
        if script not in {"LATIN", ""} and _plain().get(letter, letter).isascii():
            yield letter


def _script(letter: str) -> str:
    """The script of a letter that is drawn like others; empty for the rest."""
    first = unicodedata.name(letter, "").partition(" ")[0]
    return first if first in _SCRIPTS else ""


def _told(letter: str, place: int) -> str:
    name = unicodedata.name(letter, "no assigned character")
    return f"U+{ord(letter):04X} ({name.lower()}) at place {place}"


@cache
def _plain() -> dict[str, str]:
    """Each letter of the table to the first of those it looks like, a Latin one if there is any.

    The table tells pairs; likeness is passed on, so that classes of letters come of it.
    """
    leader: dict[str, str] = {}

    def first_of(letter: str) -> str:
        while leader.get(letter, letter) != letter:
            letter = leader[letter]
        return letter

    longer: dict[str, str] = {}
    for letter, likes in confusables_data.items():
        for like in (entry["c"] for entry in likes):
            if len(letter) == 1 and len(like) == 1:
                a, b = sorted((first_of(letter), first_of(like)), key=_rank)
                leader[b] = a
            elif len(letter) == 1 and like.isascii() and like.isalpha():
                longer.setdefault(letter, like)  # m looks like rn
    table = {letter: first_of(letter) for letter in leader}
    table |= {letter: "".join(table.get(c, c) for c in like) for letter, like in longer.items()}
    return table


def _rank(letter: str) -> tuple[bool, bool, bool, int]:
    return (not letter.isascii(), not letter.isalpha(), not letter.islower(), ord(letter))
