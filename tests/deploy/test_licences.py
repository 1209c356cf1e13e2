"""No dependency may bind the source that we hand out, and every one is listed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from deploy.licences import DOCUMENT, Package, installed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_package_may_be_used_beside_ours() -> None:
    assert [f"{p.name}: {p.licence}" for p in installed() if not p.may_be_used] == []


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-or-later OR MIT", True),
        ("LGPL-3.0-only", True),
        ("GNU LESSER GENERAL PUBLIC LICENSE Version 2.1", True),
        ("GNU General Public License (GPL)", False),
        ("AGPL-3.0", False),
        ("GPL-3.0-or-later", False),
        ("Other/Proprietary License", False),
        ("UNKNOWN", False),
    ],
)
def test_terms_that_bind_or_that_nobody_has_read_are_told_apart(
    licence: str, expected: bool
) -> None:
    assert Package("a", "1", licence).may_be_used is expected


def _named(text: str) -> set[str]:
    return {
        re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", text, re.M)
    }


def test_every_pinned_package_has_its_licence_listed() -> None:
    listed = {
        re.sub(r"[-_.]+", "-", name).lower()
        for name in re.findall(r"^\| ([\w.-]+) \| \d", DOCUMENT.read_text(encoding="utf-8"), re.M)
    }
    pinned = _named((ROOT / "deploy/constraints.txt").read_text(encoding="utf-8"))
    # What only some environments install.
    optional = {
        "boto3",
        "botocore",
        "django-storages",
        "jmespath",
        "s3transfer",
        "matcalc",
        "scikit-learn",
    }
    assert pinned - listed - optional == set(), "Run 'make licences'."


#: torch has several builds, matcalc is built from source and for ``make bench`` alone.
_NOT_LOCKED = ("torch==", "matcalc==")


def test_every_pinned_package_but_torch_is_locked_by_its_hash() -> None:
    lock = (ROOT / "deploy/lock.txt").read_text(encoding="utf-8")
    pinned = (ROOT / "deploy/constraints.txt").read_text(encoding="utf-8")
    versions = {line for line in pinned.splitlines() if re.match(r"[\w.-]+==", line)}
    locked = {
        re.sub(r"[ ;\\].*", "", line) for line in lock.splitlines() if "==" in line.split(";")[0]
    }
    key = re.compile(r"[-_.]+")
    plain = {
        key.sub("-", text.split("==")[0]).lower() + "==" + text.split("==")[1] for text in versions
    }
    have = {
        key.sub("-", text.split("==")[0]).lower() + "==" + text.split("==")[1] for text in locked
    }
    unlocked = {text for text in plain - have if not text.startswith(_NOT_LOCKED)}
    assert unlocked == set(), "Run 'make constraints'."
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["build-system"]["requires"]) <= have


def test_what_builds_the_package_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert all("==" in text for text in project["build-system"]["requires"])
