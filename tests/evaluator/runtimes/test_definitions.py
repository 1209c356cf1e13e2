from __future__ import annotations

import ast
from pathlib import Path

import pytest

import evaluator
from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.definitions import (
    RuntimeDefinition,
    UnknownRuntime,
    definition_of,
    known_definitions,
    read_definition,
    serving,
)
from evaluator.runtimes.locks import CPU_BUILDS, Lock
from evaluator.runtimes.recipes import variant_for

_EVALUATOR = Path(evaluator.__file__).parent
_ALL = sorted(known_definitions())

_TINY = """
name = "tiny"
label = "Tiny"
python = ">=3.11,<3.12"
requirements = ["six"]
kinds = ["dummy"]
adapters = ["dummy.py"]
"""


def _imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, as paths below the evaluator."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evaluator"):
            module = (node.module or "").removeprefix("evaluator").strip(".")
            names |= {f"{module}.{alias.name}".strip(".") for alias in node.names} | {module}
    files = {f"{name.replace('.', '/')}.py" for name in names if name}
    return {name for name in files if (_EVALUATOR / name).is_file()}


@pytest.mark.parametrize("name", _ALL)
def test_digest_covers_every_file_of_ours_that_runs_in_a_runtime(name: str) -> None:
    sources = definition_of(name).sources()
    needed = {imported for path in sources.values() for imported in _imported(path)}
    # A table of all families: one that is added must not change the others' digests.
    assert needed - sources.keys() == {"calculators/registry.py"}


@pytest.mark.parametrize("name", _ALL)
def test_lock_for_the_processor_is_whole_and_holds_nothing_for_a_gpu(name: str) -> None:
    definition = definition_of(name)
    lock = Lock.read(definition.lock_file("cpu"))
    lock.refuse_cuda()
    names = {package.name for package in lock.packages}
    assert {"msgpack", "numpy"} <= names
    assert not any("+" in p.version for p in lock.packages if p.name in CPU_BUILDS)


def test_each_kind_is_served_by_one_runtime() -> None:
    kinds = [kind for definition in known_definitions().values() for kind in definition.kinds]
    assert len(kinds) == len(set(kinds))
    assert serving("ase").name == serving("dummy").name == "classical"
    assert serving("package").name == "torch"
    with pytest.raises(UnknownRuntime, match="'nosuch'"):
        serving("nosuch")
    with pytest.raises(UnknownRuntime, match="those that ship are"):
        definition_of("nosuch")


def _written(folder: Path, text: str) -> RuntimeDefinition:
    (folder / "tiny").mkdir()
    (folder / "tiny" / "runtime.toml").write_text(text)
    return read_definition(folder / "tiny")


def test_definition_is_read_from_its_folder(tmp_path: Path) -> None:
    definition = _written(tmp_path, _TINY)
    assert (definition.requirements, definition.overrides, definition.weights) == (("six",), (), ())
    assert definition.variants == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "tiny"', 'name = "other"', "it is named 'other'"),
        ('label = "Tiny"', "", "lacks 'label'"),
        (">=3.11,<3.12", "3.11", "no range of Python versions"),
        ('["six"]', '"six"', "requirements is no list of texts"),
        ('["six"]', '["six"]\nindex = "x"', "index is not known"),
        ('["six"]', '["six"', "cannot be read"),
    ],
)
def test_fault_in_a_definition_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InfrastructureError, match=message):
        _written(tmp_path, _TINY.replace(old, new))


def test_what_computes_with_torch_has_a_lock_for_a_gpu_with_the_same_versions() -> None:
    with_torch = 0
    for name in _ALL:
        definition = definition_of(name)
        versions = {p.name: p.version for p in Lock.read(definition.lock_file("cpu")).packages}
        if "torch" not in versions:
            continue
        with_torch += 1
        assert variant_for(definition, "cuda:0") == "cu130", name
        lock = Lock.read(definition.lock_file("cu130"))
        of_gpu = lock.cuda_packages()
        assert "nvidia-cudnn-cu13" in of_gpu
        assert {p.name: p.version for p in lock.packages if p.name not in of_gpu} == versions
    assert with_torch >= 9
