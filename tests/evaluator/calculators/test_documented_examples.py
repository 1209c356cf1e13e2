from __future__ import annotations

import os
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from ase.build import bulk, molecule

import evaluator
from evaluator.catalog import CALCULATOR_KINDS
from evaluator.driver.findings import find_faults
from evaluator.protocols.base import System
from evaluator.wire import Answer, Structure
from tests.evaluator.calculators.adapters import ask, loaded

PAGE = (Path(evaluator.__file__).parents[1] / "docs" / "artifacts.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def fresh_modules() -> Iterator[None]:
    path, folder = list(sys.path), Path.cwd()
    yield
    sys.path[:] = path
    sys.modules.pop("potential", None)
    os.chdir(folder)


@pytest.mark.slow
def test_the_package_that_the_page_shows_runs(tmp_path: Path) -> None:
    (code,) = blocks("python")
    artifact = tmp_path / "potential.zip"
    with zipfile.ZipFile(artifact, "w") as archive:
        archive.writestr("potential.py", code)
    adapter, info = loaded("package", artifact)
    assert info.elements == ("Al", "Cu")
    assert ask(adapter, molecule("Al")).stress is None

    def answer(structure: Structure, properties: Sequence[str]) -> Answer:
        return adapter.compute([structure], properties)[0]

    crystals = [System(id="AlCu", atoms=bulk("AlCu", "cesiumchloride", a=3.0))]
    assert find_faults(crystals, answer, offers_stress=True, dtype="float64", seed=1) == []


@pytest.mark.parametrize("text", blocks("json"))
def test_each_classical_potential_that_the_page_shows_runs(text: str, tmp_path: Path) -> None:
    artifact = tmp_path / "potential.json"
    artifact.write_text(text)
    adapter, info = loaded("ase", artifact)
    assert info.elements is not None
    ask(adapter, bulk(info.elements[0], "fcc", a=4.5))


def test_the_page_names_every_kind_with_its_settings() -> None:
    for kind in CALCULATOR_KINDS.values():
        (row,) = re.findall(rf"^\| `{kind.name}` \|.*$", PAGE, re.MULTILINE)
        assert all(f"`{setting.name}`" in row for setting in kind.settings)
