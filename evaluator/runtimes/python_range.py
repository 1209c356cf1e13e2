"""Ranges of Python versions as runtimes write them: ``>=3.10,<3.13``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r">=3\.(\d{1,2}),<3\.(\d{1,2})")


@dataclass(frozen=True)
class PythonRange:
    """Minor versions of Python 3, the last one not included."""

    first: int
    end: int

    @classmethod
    def parse(cls, text: str) -> PythonRange:
        """Raise ValueError for what is no range from one minor version to another."""
        match = _RANGE.fullmatch(text.replace(" ", ""))
        if match is None or int(match[1]) >= int(match[2]):
            raise ValueError(f"{text!r} is no range of Python versions; write >=3.10,<3.13")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f">=3.{self.first},<3.{self.end}"

    def __contains__(self, version: str) -> bool:
        major, minor = (int(part) for part in version.split(".")[:2])
        return major == 3 and self.first <= minor < self.end

    @property
    def has_one(self) -> bool:
        """Whether it holds one minor version alone."""
        return self.end - self.first == 1

    @property
    def lowest(self) -> str:
        return f"3.{self.first}"
