"""The rule about names in passwords: what anybody can read of an account guards nothing.

Django's own measures how alike a password and a name are, so that ``alice2024`` is refused and
``dora2024`` is not. Here the name and the address are taken out, whoever's they are and however
long, and what remains must do as a password by itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    MinimumLengthValidator,
    NumericPasswordValidator,
)
from django.core.exceptions import ValidationError

#: A single letter tells nothing of a name.
_SHORTEST_PART = 2


class NamesCountForNothing:
    """A validator for AUTH_PASSWORD_VALIDATORS."""

    def __init__(self) -> None:
        self._rules = (
            MinimumLengthValidator(),
            CommonPasswordValidator(),
            NumericPasswordValidator(),
        )

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        whole = _folded(password)
        rest = whole
        for part in sorted(_parts(user), key=len, reverse=True):
            rest = rest.replace(part, "").replace(part[::-1], "")
        if rest == whole:
            return
        for rule in self._rules:
            try:
                rule.validate(rest)
            except ValidationError as error:
                raise ValidationError(
                    "Your user name and address count for nothing in a password, and what remains "
                    "of it without them is too short or too common. Make it longer.",
                    code="password_has_name",
                ) from error

    def get_help_text(self) -> str:
        return "Your user name and address count for nothing in it, forwards or backwards."


def _parts(user: AbstractBaseUser | None) -> Iterator[str]:
    """Words of the names and the address, whole and in pieces."""
    for field in ("username", "first_name", "last_name", "email"):
        value = _folded(str(getattr(user, field, None) or ""))
        for part in {value, *re.split(r"[\W_]+", value)}:
            if len(part) >= _SHORTEST_PART:
                yield part


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
