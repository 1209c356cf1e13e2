from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.calculators.base import LoadRequest
from evaluator.calculators.registry import make_adapter
from evaluator.catalog import CALCULATOR_KINDS, SHIPPED_POTENTIALS
from evaluator.exceptions import SubmissionError
from evaluator.hashing import sha256_of
from evaluator.potentials.known_in_runtimes import IN_RUNTIMES
from evaluator.potentials.names import KnownPotential, known_potentials, resolve


@pytest.fixture
def without_runtimes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No runtime is built, whatever this machine has."""
    monkeypatch.setenv("TOUCHSTONE_RUNTIMES_DIR", str(tmp_path / "none"))


@pytest.mark.parametrize("name", [known.reference for known in known_potentials()])
def test_every_known_potential_resolves_to_the_same_bytes_twice(name: str, tmp_path: Path) -> None:
    first, second = resolve(name, tmp_path / "a"), resolve(name, tmp_path / "b")
    assert first.spec == second.spec
    assert sha256_of(first.artifact) == first.spec.artifact_sha256
    assert first.spec.name == name.partition(",")[0]
    kind = CALCULATOR_KINDS[first.spec.calculator_kind]
    assert first.artifact.name.endswith(kind.suffixes)


@pytest.mark.trained
@pytest.mark.parametrize(
    "known",
    [k for k in known_potentials() if k.reference in SHIPPED_POTENTIALS],
    ids=lambda known: known.reference,
)
def test_every_known_potential_loads_and_has_the_parameters_it_declares(
    known: KnownPotential, tmp_path: Path
) -> None:
    resolved = resolve(known.reference, tmp_path)
    request = LoadRequest(
        artifact=resolved.artifact, settings=resolved.spec.settings, dtype="float32"
    )
    info = make_adapter(resolved.spec.calculator_kind).load(request)
    if resolved.spec.calculator_kind == "chgnet":
        assert info.n_parameters == known.n_parameters
    assert info.elements is not None
    assert set(resolved.spec.supported_elements or ()) <= set(info.elements)


@pytest.mark.usefixtures("without_runtimes")
def test_known_potentials_hold_three_chgnets_and_four_baselines() -> None:
    known = known_potentials()
    assert [p.reference for p in known if not p.is_baseline] == [
        "chgnet:0.2.0",
        "chgnet:0.3.0",
        "chgnet:r2scan",
    ]
    assert [p.reference for p in known if p.is_baseline] == [
        "ase:lj",
        "ase:emt",
        "ase:tersoff-si",
        "dummy:zero",
    ]
    assert len({(p.slug, p.version) for p in known}) == len(known)


@pytest.mark.usefixtures("without_runtimes")
def test_the_catalog_lists_what_ships() -> None:
    assert {potential.reference for potential in known_potentials()} == set(SHIPPED_POTENTIALS)


def test_known_potentials_in_a_mirror_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "potentials" / "M3GNet-MP-2021.2.8-PES"
    folder.mkdir(parents=True)
    for name in ("model.json", "model.pt", "state.pt", "README.md"):
        (folder / name).write_text(name)
    found = [p for p in known_potentials(tmp_path) if p.architecture == "M3GNet"]
    assert [p.reference for p in found] == [f"matgl:{folder}"]

    resolved = resolve(found[0].reference, tmp_path / "work")
    assert resolved.spec.name == "matgl:M3GNet-MP-2021.2.8-PES.zip"
    again = resolve(found[0].reference, tmp_path / "other")
    assert again.spec.artifact_sha256 == resolved.spec.artifact_sha256


def test_a_file_of_weights_in_a_mirror_is_known_by_its_kind(tmp_path: Path) -> None:
    file = tmp_path / "potentials" / "nequix-mp-1.nqx"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    references = [p.reference for p in known_potentials(tmp_path) if p.architecture == "Nequix"]
    assert references == [f"nequix:{file}"]


@pytest.mark.usefixtures("without_runtimes")
@pytest.mark.parametrize("name", ["sevennet:7net-0", "sevennet:7net-mf-0,modal=PBE"])
def test_weights_of_a_runtime_that_is_not_built_are_told_how_to_be_had(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(SubmissionError, match="touchstone runtime build sevennet"):
        resolve(name, tmp_path)


def test_names_of_weights_in_runtimes_are_unlike_and_resolve_to_kinds() -> None:
    known = [weights.known for weights in IN_RUNTIMES]
    assert len({(k.slug, k.version) for k in known}) == len(known)
    assert len({k.reference for k in known}) == len(known)
    for weights in IN_RUNTIMES:
        assert weights.known.reference.partition(":")[0] in CALCULATOR_KINDS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"method": "PM7"}', "must be one of GFN2-xTB, GFN1-xTB, IPEA1-xTB, not 'PM7'"),
        ('{"method": "GFN2-xTB", "charge": 1}', "xtb has no parameter charge; known are method"),
        ('{"method": "GFN2-xTB", "accuracy": 0}', "accuracy must be positive, not 0"),
    ],
)
def test_files_of_xtb_are_read_before_anything_is_started(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "method.json").write_text(content)
    with pytest.raises(SubmissionError, match=message):
        resolve(f"xtb:{tmp_path}/method.json", tmp_path)


def test_gfn2_is_a_method_of_xtb(tmp_path: Path) -> None:
    resolved = resolve("xtb:gfn2", tmp_path)
    assert json.loads(resolved.artifact.read_text()) == {"method": "GFN2-xTB"}
    assert resolved.spec.supported_elements is not None
    assert resolved.spec.supported_elements[-1] == "Rn"


def test_resolve_imports_neither_torch_nor_chgnet() -> None:
    code = (
        "import sys, pathlib, evaluator.potentials.names as p; "
        "p.resolve('chgnet:0.3.0', pathlib.Path('unused')); "
        "assert not {'torch', 'chgnet'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_resolve_takes_a_path_and_settings(tmp_path: Path) -> None:
    plain = tmp_path / "small.model"
    plain.write_bytes(b"weights")
    resolved = resolve(f"mace:{plain},head=pbe,dtype=float32", tmp_path)
    assert resolved.artifact == plain
    assert resolved.spec.settings == {"head": "pbe", "dtype": "float32"}
    assert resolved.spec.supported_elements is None
    assert resolve(f"mace:{plain}", tmp_path).spec.settings["dtype"] == "float64"


def test_lennard_jones_from_covalent_radii_has_its_minimum_at_the_bond(tmp_path: Path) -> None:
    parameters = json.loads(resolve("ase:lj", tmp_path).artifact.read_text())
    # Silicon has a covalent radius of 1.11 Å: the minimum is at 2.22 Å = 2^(1/6) σ.
    assert parameters["sigma_A"]["Si"] * 2 ** (1 / 6) == pytest.approx(2.22, abs=1e-5)
    assert parameters["epsilon_eV"] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no potential; write KIND:WHAT"),
        ("chgnet", "'chgnet' is no potential; write KIND:WHAT"),
        ("vasp:5", "where KIND is one of chgnet, mace, matgl"),
        ("chgnet:", "names no file; shipped are chgnet:0.2.0, chgnet:0.3.0"),
        ("chgnet:0.9.9", "0.9.9 does not exist; shipped are chgnet:0.2.0"),
        ("ase:sw", "sw does not exist; shipped are ase:lj, ase:emt, ase:tersoff-si"),
        ("chgnet:0.3.0,dtype=float16", "dtype must be one of float32, float64"),
        ("chgnet:0.3.0,compile=true", "compile is unknown; known are dtype"),
        ("chgnet:0.3.0,dtype=float32,dtype=float64", "the setting dtype is given twice"),
        ("mace:{tmp}", "is a folder, not a file"),
        ("matgl:{tmp}", "is no MatGL model: it lacks model.json, model.pt, state.pt"),
        ("mace:{tmp}/empty.model", r"empty\.model is empty"),
        ("ase:{tmp}/broken.json", r"broken\.json: the file is not JSON: .* line 1 column 22"),
        ("ase:{tmp}/typo.json", "has no parameter cutof; known are sigma_A, epsilon_eV, cutoff_A"),
        ("dummy:{tmp}/typo.json", "a dummy has no parameter calculator, cutof, .*; known are"),
        ("mace:~nobody-of-that-name/my.model", "~nobody-of-that-name stands for"),
    ],
)
def test_resolve_says_what_is_wrong_with_a_name(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty.model").touch()
    (tmp_path / "broken.json").write_text('{"calculator": "emt",')
    typo = {"calculator": "lj", "sigma_A": {"Ar": 3.4}, "epsilon_eV": 0.0104, "cutof": 9}
    (tmp_path / "typo.json").write_text(json.dumps(typo))
    with pytest.raises(SubmissionError, match=message):
        resolve(text.format(tmp=tmp_path), tmp_path)
