from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from evaluator.calculators.ase_calculator import InvalidAnswer, MissingInfo
from evaluator.calculators.base import InvalidArtifact, LoadError, UnsupportedStructure
from evaluator.calculators.package import PackageAdapter
from evaluator.calculators.registry import UnknownKind, make_adapter
from evaluator.wire import CHANGED_ATOMS
from tests.evaluator.calculators.adapters import as_structure, ask, loaded

GOOD = """
from ase.calculators.emt import EMT

def calculator(folder):
    result = EMT()
    result.elements = (folder / "elements.txt").read_text().split()
    return result
"""

SHAPED = """
import numpy as np
from ase.calculators.calculator import Calculator

class Strange(Calculator):
    implemented_properties = ["energy", "forces"]
    def calculate(self, atoms, properties, system_changes):
        self.results = {{"energy": 1.0, "forces": np.zeros({shape})}}

def calculator(folder):
    return Strange()
"""


WITH_INFO = """
import numpy as np
from ase.calculators.calculator import Calculator

class Informed(Calculator):
    implemented_properties = ["energy", "forces"]
    def calculate(self, atoms, properties, system_changes):
        self.results = {{"energy": {expression}, "forces": np.zeros((len(atoms), 3))}}

def calculator(folder):
    return Informed()
"""


UNSURE = """
import numpy as np
from ase.calculators.calculator import Calculator

class Unsure(Calculator):
    implemented_properties = ["energy", "forces", "energy_uncertainty"]
    def calculate(self, atoms, properties, system_changes):
        self.results = {{"energy": 1.0, "forces": np.zeros((len(atoms), 3))}}
        self.results["energy_uncertainty"] = {value}

def calculator(folder):
    return Unsure()
"""


BROKEN_ERROR = """
class Broken(Exception):
    def __str__(self):
        return 1 / 0

raise Broken
"""


ENERGY_ONLY = """
from ase.calculators.calculator import Calculator

class Poor(Calculator):
    implemented_properties = ["energy"]

def calculator(folder):
    return Poor()
"""


@pytest.fixture(autouse=True)
def fresh_modules() -> Iterator[None]:
    path, modules, folder = list(sys.path), set(sys.modules), Path.cwd()
    yield
    os.chdir(folder)  # a package starts in its own
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.split(".")[0] in {"potential", "mine"}:
            del sys.modules[name]


def packed(folder: Path, **modules: str) -> Path:
    artifact = folder / "package.zip"
    with zipfile.ZipFile(artifact, "w") as archive:
        for name, content in modules.items():
            archive.writestr(name.replace("__dot__", ".").replace("__in__", "/"), content)
    return artifact


def with_potential(folder: Path, code: str) -> Path:
    return packed(folder, potential__dot__py=code, elements__dot__txt="Cu Al")


def test_package_answers_as_the_calculator_it_returns(tmp_path: Path) -> None:
    adapter, info = loaded("package", with_potential(tmp_path, GOOD))
    assert (info.name, info.elements) == ("EMT", ("Al", "Cu"))
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.1, seed=1)
    prediction = ask(adapter, copper)
    copper.calc = EMT()
    assert prediction.energy == copper.get_potential_energy()
    np.testing.assert_array_equal(prediction.forces, copper.get_forces())
    np.testing.assert_array_equal(prediction.stress, copper.get_stress())
    with pytest.raises(UnsupportedStructure, match="this package's calculator does not know Au"):
        ask(adapter, bulk("Au"))


@pytest.mark.parametrize(
    ("value", "told"),
    [("0.5", 0.5), ("np.array([[0.5]])", 0.5), ("np.nan", None), ("-1", None), ("None", None)],
)
def test_an_uncertainty_of_its_own_is_passed_on_where_it_says_anything(
    value: str, told: float | None, tmp_path: Path
) -> None:
    adapter, info = loaded("package", with_potential(tmp_path, UNSURE.format(value=value)))
    assert info.properties == ("energy", "forces", "energy_uncertainty")
    structure, wanted = as_structure(bulk("Cu")), ("energy", "forces", "energy_uncertainty")
    (prediction,) = adapter.compute([structure], wanted)
    assert prediction.energy_uncertainty == told
    (plain,) = adapter.compute([structure], ("energy", "forces"))
    assert plain.energy_uncertainty is None


def test_an_uncertainty_for_each_atom_is_refused(tmp_path: Path) -> None:
    code = UNSURE.format(value="np.ones(len(atoms))")
    adapter, _ = loaded("package", with_potential(tmp_path, code))
    with pytest.raises(InvalidAnswer, match="not one standard deviation of the total energy"):
        adapter.compute([as_structure(bulk("Cu", cubic=True))], ("energy_uncertainty",))


def test_package_may_name_a_module_in_a_folder(tmp_path: Path) -> None:
    code = "from ase.calculators.emt import EMT\ndef make(folder):\n    return EMT()\n"
    artifact = packed(tmp_path, mine__in____init____dot__py="", mine__in__deep__dot__py=code)
    adapter, info = loaded("package", artifact, entry_point="mine.deep:make")
    assert info.elements is None
    assert ask(adapter, molecule("H2O")).stress is None


@pytest.mark.parametrize(
    "elements",
    [
        "{'Cu': 1, 'Al': 2}",
        "{'Al', 'Cu'}",
        "(29, 13)",
        "(symbol for symbol in ('Cu', 'Al'))",
        "__import__('numpy').array(['Cu', 'Al'])",
        "__import__('numpy').array([29, 13])",
    ],
)
def test_package_may_list_its_elements_in_many_ways(elements: str, tmp_path: Path) -> None:
    code = GOOD.replace('(folder / "elements.txt").read_text().split()', elements)
    _, info = loaded("package", with_potential(tmp_path, code))
    assert info.elements == ("Al", "Cu")


def test_package_without_stress_says_so(tmp_path: Path) -> None:
    adapter, info = loaded("package", with_potential(tmp_path, SHAPED.format(shape="(2, 3)")))
    assert info.properties == ("energy", "forces")
    prediction = ask(adapter, bulk("NaCl", "rocksalt", a=5.6))
    assert (prediction.stress, prediction.magmoms) == (None, None)


def test_package_whose_forces_have_a_wrong_shape_is_told(tmp_path: Path) -> None:
    adapter, _ = loaded("package", with_potential(tmp_path, SHAPED.format(shape="(3, 2)")))
    with pytest.raises(InvalidAnswer, match=r"forces has the shape \(3, 2\), not \(2, 3\)"):
        ask(adapter, bulk("NaCl", "rocksalt", a=5.6))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "importing potential raised ModuleNotFoundError"),
        ("x = 1", "has no function calculator"),
        ("def calculator(folder): 1/0", "potential:calculator raised ZeroDivisionError"),
        ("def calculator(folder): return 1", "returned int, not an ASE calculator"),
        (
            ENERGY_ONLY + "\ndef calculator(folder): return Poor",
            r"returned the class Poor: return a calculator, Poor\(\.\.\.\)",
        ),
        (
            "def make(folder): ...\nclass Own: ...",
            "has no function calculator; it has make, Own: name",
        ),
        ("raise BaseException('odd')", "importing potential raised BaseException: odd"),
        ("def calculator(folder): raise ValueError('\\ud800')", r"raised ValueError: \\ud800"),
        (
            "raise FileNotFoundError(2, 'No such file', 'g++')",
            "There is no compiler here: leave to",
        ),
        (
            "raise RuntimeError('Found no NVIDIA driver on your system')",
            "There is no GPU here: take",
        ),
        (
            "raise OSError(\"We couldn't connect to 'https://hub'\")",
            "There is no network here: put",
        ),
        (
            ENERGY_ONLY.replace('["energy"]', "None"),
            "implemented_properties lack energy or forces",
        ),
        (
            ENERGY_ONLY,
            "implemented_properties lack energy or forces",
        ),
        (
            GOOD + "\n_make = calculator\ndef calculator(folder):\n"
            "    c = _make(folder)\n    c.elements = ['Xx']\n    return c",
            "'Xx', no chemical symbol",
        ),
    ],
)
def test_package_that_cannot_be_used_is_a_load_error(
    code: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(LoadError, match=message):
        loaded("package", with_potential(tmp_path, code))


@pytest.mark.parametrize("entry_point", ["potential", "potential:", "a b:c", "../x:y", "os:5"])
def test_package_refuses_an_entry_point_of_another_form(entry_point: str, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="must read module:function"):
        loaded("package", with_potential(tmp_path, GOOD), entry_point=entry_point)


def test_package_must_hold_the_module_itself(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtifact, match="the archive has no module os"):
        loaded("package", with_potential(tmp_path, GOOD), entry_point="os:getcwd")


def test_registry_makes_adapters_by_kind_and_names_the_kinds() -> None:
    assert isinstance(make_adapter("package"), PackageAdapter)
    with pytest.raises(UnknownKind, match="unknown calculator kind 'vasp'; known are ase, chgnet"):
        make_adapter("vasp")


EMT_MAKER = "from ase.calculators.emt import EMT\ndef calculator(folder):\n    return EMT()\n"


@pytest.mark.parametrize(
    "members",
    [
        {"mine/potential.py": EMT_MAKER, "__MACOSX/mine/._potential.py": "x", "mine/.DS_Store": ""},
        {"potential.py": "from mine.core import calculator", "mine\\core.py": EMT_MAKER},
        {"pyproject.toml": "", "src/potential/__init__.py": EMT_MAKER},
        {"potential.py": "from ase.calculators.emt import EMT\ncalculator = EMT()"},
        {"potential.py": "from ase.calculators.emt import EMT\nclass calculator(EMT):\n    pass"},
        {"potential.py": EMT_MAKER.replace("folder", "")},
        {"potential.py": EMT_MAKER, "notes 12:30.txt": ""},
    ],
    ids=["finder", "powershell", "src", "instance", "class", "no argument", "colon"],
)
def test_package_may_be_packed_and_made_as_people_do(
    members: dict[str, str], tmp_path: Path
) -> None:
    artifact = tmp_path / "package.zip"
    with zipfile.ZipFile(artifact, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    adapter, _ = loaded("package", artifact)
    copper = bulk("Cu", cubic=True)
    copper.calc = EMT()
    assert ask(adapter, copper).energy == copper.get_potential_energy()


LIKE_EMT = """
import numpy as np
from ase.calculators.emt import EMT
from ase.stress import voigt_6_to_full_3x3_stress as full

class Mine(EMT):
    {more}

def calculator(folder):
    return Mine()
"""
STRESS = "def get_property(self, name, atoms=None, allow_calculation=True):\n        {line}"
ANSWER = "value = super().get_property(name, atoms, allow_calculation)\n        return {made}"


@pytest.mark.parametrize(
    "made",
    [
        "full(value) if name == 'stress' else value",
        "full(value).ravel() if name == 'stress' else value",
    ],
    ids=["3x3", "nine"],
)
def test_package_may_answer_a_stress_of_nine_numbers(made: str, tmp_path: Path) -> None:
    code = LIKE_EMT.format(more=STRESS.format(line=ANSWER.format(made=made)))
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.1, seed=1)
    prediction = ask(loaded("package", with_potential(tmp_path, code))[0], copper)
    copper.calc = EMT()
    np.testing.assert_allclose(prediction.stress, copper.get_stress(), atol=1e-12)


def test_package_reads_charge_and_spin_where_calculators_look_for_them(tmp_path: Path) -> None:
    code = WITH_INFO.format(expression="10 * atoms.info['charge'] + atoms.info['spin']")
    adapter, _ = loaded("package", with_potential(tmp_path, code))
    atoms = molecule("H2O")
    atoms.info = {"charge": -1, "spin": 2}
    assert ask(adapter, atoms).energy == -8


def test_package_that_reads_other_info_is_told_what_there_is(tmp_path: Path) -> None:
    code = WITH_INFO.format(expression="atoms.info['mult']")
    adapter, _ = loaded("package", with_potential(tmp_path, code))
    with pytest.raises(MissingInfo, match=r"atoms.info\['mult'\].*holds charge .* and spin"):
        ask(adapter, molecule("H2O"))


@pytest.mark.parametrize(
    ("energy", "told"),
    [
        ("None", "the calculator's energy is None"),
        ("1 + 1e-3j", "energy is complex: answer its real part"),
        ("np.ones(len(atoms))", r"the energy is an array of shape \(3,\), not one number"),
        ("np.ma.masked_array([1.0], mask=True)", "energy has masked values"),
    ],
)
def test_package_whose_energy_is_no_real_number_is_told(
    energy: str, told: str, tmp_path: Path
) -> None:
    adapter, _ = loaded("package", with_potential(tmp_path, WITH_INFO.format(expression=energy)))
    with pytest.raises(InvalidAnswer, match=told):
        ask(adapter, molecule("H2O"))


@pytest.mark.parametrize(
    "energy",
    ["3", "np.float32(3)", "np.array(3)", "np.array([3])", "[[3.0]]", "3 + 0j", "'3.0'"],
)
def test_package_may_write_its_energy_in_many_ways(energy: str, tmp_path: Path) -> None:
    adapter, _ = loaded("package", with_potential(tmp_path, WITH_INFO.format(expression=energy)))
    assert ask(adapter, molecule("H2O")).energy == 3


def test_package_finds_its_files_by_their_names_alone(tmp_path: Path) -> None:
    code = GOOD.replace(
        '(folder / "elements.txt").read_text()',
        '__import__("pathlib").Path("elements.txt").read_text()',
    )
    assert "folder /" not in code
    _, info = loaded("package", with_potential(tmp_path, code))
    assert info.elements == ("Cu", "Al") or info.elements == ("Al", "Cu")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nowhere.at_all", "put the folder of nowhere, if it is pure Python, into the zip"),
        ("from .helper import calculator", 'name it in "entry_point", as folder.module:function'),
        ("raise KeyboardInterrupt", "importing potential raised KeyboardInterrupt"),
        (BROKEN_ERROR, r"raised Broken: \(its message cannot be had: ZeroDivisionError\)"),
    ],
)
def test_package_that_cannot_be_imported_is_told_why_and_what_to_do(
    code: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(LoadError, match=told):
        loaded("package", with_potential(tmp_path, code))


def test_package_without_init_keeps_the_folder_that_its_entry_point_names(tmp_path: Path) -> None:
    artifact = packed(tmp_path, mine__in__calc__dot__py=EMT_MAKER)
    _, info = loaded("package", artifact, entry_point="mine.calc:calculator")
    assert info.name == "EMT"


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (
            {"my-model/potential.py": EMT_MAKER, "README.md": ""},
            "the module potential lies in my-model, from which it cannot be imported: pack what is",
        ),
        ({"archive/data.pkl": "", "archive/version": "3"}, "that torch.save wrote, and no package"),
        ({"model.json": "{}", "state.pt": "", "model.pt": ""}, "is a MatGL model, and no package"),
    ],
)
def test_package_that_is_packed_otherwise_is_told_how(
    members: dict[str, str], told: str, tmp_path: Path
) -> None:
    artifact = tmp_path / "package.zip"
    with zipfile.ZipFile(artifact, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InvalidArtifact, match=told):
        loaded("package", artifact)


def test_package_inside_another_archive_is_named(tmp_path: Path) -> None:
    artifact = packed(tmp_path, mine__dot__whl="PK")
    with pytest.raises(InvalidArtifact, match=r"nothing but another one, mine\.whl: send that"):
        loaded("package", artifact)


@pytest.mark.parametrize(
    ("forces", "told"),
    [
        ("[[1, 2, 3], [1, 2], [1, 2, 3]]", "forces cannot be read as numbers of one shape"),
        ("['Cu'] * 3", "forces cannot be read as numbers of one shape"),
        ("[object()] * 3", "forces cannot be read as numbers of one shape"),
    ],
)
def test_package_whose_forces_are_no_numbers_is_told(
    forces: str, told: str, tmp_path: Path
) -> None:
    code = WITH_INFO.format(expression="0.0").replace("np.zeros((len(atoms), 3))", forces)
    adapter, _ = loaded("package", with_potential(tmp_path, code))
    with pytest.raises(InvalidAnswer, match=told):
        ask(adapter, molecule("H2O"))


@pytest.mark.parametrize("read", ["atoms.arrays['magmoms'][0]", "atoms.get_array('magmoms')[0]"])
def test_package_that_reads_an_array_that_no_structure_has_is_told(
    read: str, tmp_path: Path
) -> None:
    adapter, _ = loaded("package", with_potential(tmp_path, WITH_INFO.format(expression=read)))
    with pytest.raises(MissingInfo, match="reads the array 'magmoms', which no structure has here"):
        ask(adapter, molecule("H2O"))


def test_package_that_closes_its_streams_still_answers(tmp_path: Path) -> None:
    """A word that cannot be written is not worth an answer."""
    code = WITH_INFO.format(expression="float(atoms.positions.__imul__(0.5).sum())")
    adapter, _ = loaded("package", with_potential(tmp_path, code))
    stderr, sys.stderr = sys.stderr, io.StringIO()
    sys.stderr.close()
    try:
        prediction = ask(adapter, molecule("H2O"))
    finally:
        sys.stderr = stderr
    assert prediction.forces.shape == (3, 3)


def test_package_that_changes_its_atoms_is_noted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = WITH_INFO.format(expression="float(atoms.positions.__imul__(0.5).sum())")
    adapter, _ = loaded("package", with_potential(tmp_path, code))
    for _ in range(2):
        ask(adapter, molecule("H2O"))
    assert capsys.readouterr().err.count(CHANGED_ATOMS) == 1


def test_package_whose_stress_is_not_implemented_has_none(tmp_path: Path) -> None:
    line = f"if name == 'stress': raise NotImplementedError\n        {ANSWER.format(made='value')}"
    code = LIKE_EMT.format(more=STRESS.format(line=line))
    prediction = ask(loaded("package", with_potential(tmp_path, code))[0], bulk("Cu"))
    assert prediction.stress is None


def test_package_with_a_free_energy_alone_has_it_as_energy(tmp_path: Path) -> None:
    code = LIKE_EMT.format(more='implemented_properties = ["free_energy", "forces"]')
    adapter, info = loaded("package", with_potential(tmp_path, code))
    copper = bulk("Cu")
    copper.calc = EMT()
    assert info.properties == ("energy", "forces")
    assert ask(adapter, copper).energy == copper.get_potential_energy()


def test_package_that_leaves_by_sys_exit_is_told_with_its_place(tmp_path: Path) -> None:
    code = "import sys\ndef calculator(folder):\n    sys.exit('no GPU')\n"
    with pytest.raises(LoadError, match=r"called sys.exit\('no GPU'\) in potential.py, line 3"):
        loaded("package", with_potential(tmp_path, code))


def test_package_that_wants_to_download_is_told_to_bring_its_weights(tmp_path: Path) -> None:
    code = (
        "import socket\ndef calculator(folder):\n"
        "    raise OSError('download failed') from socket.gaierror(-2, 'unknown')\n"
    )
    with pytest.raises(LoadError, match="no network here: put the weights into the zip"):
        loaded("package", with_potential(tmp_path, code))
