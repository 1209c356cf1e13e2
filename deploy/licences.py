"""The licences of everything that is installed, as docs/licences.md lists them (``make licences``).

Touchstone hands out its own source alone; whoever installs it fetches the rest. What may still not
be among the dependencies is what would bind that source, or whose terms nobody has read.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "licences.md"

#: Words of licences under which a package may be used beside ours.
_FREE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|BSD|0BSD|Apache|Python Software Foundation|PSF|ISC|Zlib|CC0|Unlicense"
    r"|MPL|Mozilla Public|LGPL|Lesser General|OLDAP|HPND)",
    re.IGNORECASE,
)
_BINDING = re.compile(r"\bA?GPL|(?<!lesser )general public license|proprietary", re.IGNORECASE)
#: Packages whose metadata do not tell, or tell more than holds, with what was read in their files.
READ = {
    "axe-playwright-python": "MIT",
    "python-hostlist": "GPL-2.0-or-later; comes with mace-torch, which asks it on Slurm alone",
    "djlint": "GPL-3.0-or-later; a tool that checks templates, not part of the service",
    "qrcode": "BSD-3-Clause; the QR code's name is a registered trademark",
    "symfc": "BSD-3-Clause",
    "torch-ema": "MIT",
}
#: Of these alone the terms may bind: no line of the service imports them.
TOLERATED = {"python-hostlist", "djlint"}


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str

    @property
    def key(self) -> str:
        return re.sub(r"[-_.]+", "-", self.name).lower()

    @property
    def may_be_used(self) -> bool:
        if self.key in TOLERATED:
            return True
        return bool(_FREE.search(self.licence)) and not _binds(self.licence)


def installed() -> list[Package]:
    """Whatever stands in this environment, by name."""
    done = subprocess.run(
        [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    packages = [
        Package(p["Name"], p["Version"], _line(p["License"])) for p in json.loads(done.stdout)
    ]
    packages = [Package(p.name, p.version, READ.get(p.key, p.licence)) for p in packages]
    return sorted((p for p in packages if p.key != "touchstone-mlip"), key=lambda p: p.key)


def document(packages: list[Package]) -> str:
    """docs/licences.md."""
    rows = "\n".join(f"| {p.name} | {p.version} | {p.licence} |" for p in packages)
    return (
        "# Licences of what Touchstone uses\n\n"
        "Touchstone is under the MIT licence and hands out its own source alone; these packages\n"
        "are fetched by whoever installs it. Written by `make licences` from their metadata.\n\n"
        "| package | version | licence |\n|---|---|---|\n" + rows + "\n"
    )


def _binds(licence: str) -> bool:
    """Whether every choice that is offered binds; "A or B" leaves the choice to us."""
    choices = re.split(r"\bOR\b", licence, flags=re.IGNORECASE)
    return all(_BINDING.search(re.sub(r"\bLGPL", "", choice)) for choice in choices)


def _line(licence: str) -> str:
    """Some give the whole text: its first words tell which."""
    return " ".join(licence.split())[:100].replace("|", "/")


if __name__ == "__main__":
    DOCUMENT.write_text(document(installed()), encoding="utf-8")
