import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.collections import dcdft
from ase.units import GPa

from evaluator.exceptions import InfrastructureError
from evaluator.protocols import PROTOCOLS
from evaluator.protocols.base import UnsuitableReference
from evaluator.references import sets
from evaluator.references.builders import mlearn
from evaluator.references.sets import KnownReference, RawFile, UnknownReference, build, read

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")
KNOWN = sets.known_references()
needs_mirror = [
    pytest.mark.mirror,
    pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=needs_mirror if known.files else [])
        for name, known in KNOWN.items()
    ],
)
def test_registered_set_is_built_to_its_registered_bytes(name: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    mirror = Path(MIRROR) if MIRROR else None

    built = build(name, mirror=mirror, cache=tmp_path, progress=lambda *k: seen.append(k))

    systems = read(built.path)
    assert hashlib.sha256(built.path.read_bytes()).hexdigest() == built.sha256 == KNOWN[name].sha256
    assert len(systems) == built.n_systems > 0
    assert sets.check_reference(built.path).problems == ()
    assert seen[-1] == (len(KNOWN[name].files) + 1,) * 2
    assert list(tmp_path.iterdir()) == [built.path]


def test_elemental_crystals_hold_the_numbers_that_ase_ships(tmp_path: Path) -> None:
    systems = {s.id: s for s in read(build("eos-wien2k", cache=tmp_path).path)}
    assert len(systems) == 71
    for element in dcdft.names:
        system, data = systems[f"dcdft-{element}"], dcdft.data[element]
        assert set(system.atoms.get_chemical_symbols()) == {element}
        assert system.reference == {
            "volume_per_atom_A3": data["wien2k_volume"],
            "bulk_modulus_GPa": data["wien2k_B"],
            "bulk_modulus_derivative": data["wien2k_Bp"],
        }
        assert system.atoms.get_volume() == pytest.approx(dcdft[element].get_volume(), rel=1e-6)


def test_experiment_covers_58_crystals_and_says_which_it_lacks(tmp_path: Path) -> None:
    built = build("eos-experiment", cache=tmp_path)
    assert built.n_systems == 58
    assert len(built.metadata["elements_without_values"]) == 13
    assert built.known.level_of_theory == "experiment"


@pytest.mark.parametrize("name", ["eos-wien2k", "eos-experiment"])
def test_elemental_crystals_suit_the_protocol(name: str, tmp_path: Path) -> None:
    systems = read(build(name, cache=tmp_path).path)
    PROTOCOLS["equation_of_state"].check_reference(systems, ["eos_delta_mean"])


@pytest.mark.parametrize("name", [n for n, k in KNOWN.items() if k.files])
def test_raw_files_are_named_by_commit_and_by_hash(name: str) -> None:
    for file in KNOWN[name].files:
        assert len(file.sha256) == 64
        owner_repository_commit = file.url.removeprefix("https://raw.githubusercontent.com/")
        assert len(owner_repository_commit.split("/")[2]) == 40


#: The kinds whose shears mlearn writes in the other order.
YZ_FIRST = {("Si", "Elastic"), ("Ge", "Elastic"), ("Li", "Elastic"), ("Li", "AIMD-NVT")}


def mlearn_entry(atoms: Atoms, group: str = "Elastic", element: str = "Cu") -> dict[str, Any]:
    """What mlearn would hold had it been computed with EMT; virial_stress is minus kbar."""
    atoms = atoms.copy()
    atoms.calc = EMT()
    xx, yy, zz, yz, xz, xy = (float(s) for s in atoms.get_stress() / GPa)
    return {
        "element": element,
        "group": group,
        "structure": {
            "lattice": {"matrix": atoms.cell.tolist()},
            "sites": [
                {"species": [{"element": a.symbol, "occu": 1}], "xyz": a.position.tolist()}
                for a in atoms
            ],
        },
        "outputs": {
            "energy": float(atoms.get_potential_energy()),
            "forces": atoms.get_forces().tolist(),
            "virial_stress": [
                -10 * s
                for s in (xx, yy, zz, xy, *((yz, xz) if (element, group) in YZ_FIRST else (xz, yz)))
            ],
        },
    }


def sheared_copper() -> Atoms:
    copper = bulk("Cu", cubic=True)
    strain = np.array([[1.01, 0.02, 0.05], [0.0, 0.97, -0.03], [0.0, 0.0, 1.02]])
    copper.set_cell(copper.cell @ strain, scale_atoms=True)
    copper.rattle(0.05, seed=0)
    return copper


@pytest.mark.parametrize("element", ["Cu", "Ge", "Li", "Mo", "Ni", "Si"])
@pytest.mark.parametrize("group", ["Elastic", "AIMD-NVT"])
def test_mlearn_stress_comes_back_in_the_order_and_sign_of_ase(
    element: str, group: str, tmp_path: Path
) -> None:
    copper = sheared_copper()
    file = tmp_path / "test.json"
    file.write_text(json.dumps([mlearn_entry(copper, group, element)]))

    (frame,), _ = mlearn([file], {})

    copper.calc = EMT()
    assert frame.get_stress() == pytest.approx(copper.get_stress(), abs=1e-9)
    assert frame.get_forces() == pytest.approx(copper.get_forces())
    assert frame.get_potential_energy() == pytest.approx(copper.get_potential_energy())
    assert frame.info["system_id"] == f"mlearn-{element}-test-000"
    assert frame.info["family"].startswith(element)


def test_mlearn_subset_takes_every_nth_of_each_group(tmp_path: Path) -> None:
    file = tmp_path / "test.json"
    groups = ["Elastic", "Vacancy", "Elastic", "Elastic", "Vacancy"]
    file.write_text(json.dumps([mlearn_entry(bulk("Cu"), group) for group in groups]))
    frames, metadata = mlearn([file], {"every": 2})
    assert [f.info["system_id"][-3:] for f in frames] == ["000", "001", "003"]
    assert metadata == {"n_not_taken": 2}


@pytest.mark.slow
@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
def test_mlearn_stress_agrees_in_sign_and_order_with_a_classical_potential(tmp_path: Path) -> None:
    built = build("mlearn-test", mirror=Path(str(MIRROR)), cache=tmp_path)
    metals = [s for s in read(built.path) if s.family.startswith(("Cu", "Ni"))]
    found = []
    for system in metals:
        emt = EMT()
        emt.calculate(system.atoms, ["stress"])
        found.append(emt.results["stress"])
    known = np.array([s.reference["stress"] for s in metals])
    correlations = np.corrcoef(known.T, np.array(found).T)[:6, 6:]
    assert (np.diag(correlations) > 0.9).all()
    # No shear moves as much with another one: their order is right too.
    assert (np.argmax(correlations[3:], axis=1) == [3, 4, 5]).all()


@pytest.mark.slow
@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
def test_frames_beyond_the_bounds_are_left_out_and_counted(tmp_path: Path) -> None:
    built = build("mattersim-mpf-tp", mirror=Path(str(MIRROR)), cache=tmp_path)
    systems = read(built.path)
    largest = max(float(np.linalg.norm(s.reference["forces"], axis=1).max()) for s in systems)
    pressures = [abs(s.reference["stress"][:3].mean()) / GPa for s in systems]
    left_out = built.metadata["n_left_out_for_force"] + built.metadata["n_left_out_for_pressure"]
    assert largest <= 20 and max(pressures) <= 100
    assert built.n_systems + left_out == built.metadata["n_frames_published"] == 1069
    small = read(build("mattersim-mpf-tp-small", mirror=Path(str(MIRROR)), cache=tmp_path).path)
    assert {s.id for s in small} < {s.id for s in systems}


def test_unknown_name_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownReference, match="no reference set 'eos'; known are eos-wien2k"):
        build("eos", cache=tmp_path)


@pytest.mark.parametrize("value", ['"0.4 -0.4"', "0.5", "1e300", "plus", '""', "T"])
def test_what_an_older_set_holds_under_charge_is_no_charge(value: str, tmp_path: Path) -> None:
    path = tmp_path / "stored.extxyz"
    path.write_text(f"1\nsystem_id=a charge={value} spin=1\nHe 0 0 0\n")
    (system,) = read(path)
    assert not system.atoms.info.get("charge")


# Downloading, against a server on this machine.


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server of a folder: its address and the folder."""
    folder = tmp_path / "published"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}", folder
        http.shutdown()
        thread.join()


@pytest.fixture
def registered(
    server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> KnownReference:
    """A set of one file on that server, under the name "tiny"."""
    address, folder = server
    (folder / "test.json").write_text(json.dumps([mlearn_entry(sheared_copper())]))
    raw = (folder / "test.json").read_bytes()
    known = replace(
        KNOWN["mlearn-test"],
        name="tiny",
        sha256=hashlib.sha256(
            sets.canonical_bytes(mlearn([folder / "test.json"], {})[0])
        ).hexdigest(),
        files=(
            RawFile(
                path="mlearn/test.json",
                url=f"{address}/test.json",
                sha256=hashlib.sha256(raw).hexdigest(),
            ),
        ),
    )
    monkeypatch.setattr(sets, "known_references", lambda: {"tiny": known})
    return known


def test_files_are_downloaded_once_and_checked(
    registered: KnownReference, server: tuple[str, Path], tmp_path: Path
) -> None:
    first = build("tiny", cache=tmp_path / "cache")
    (server[1] / "test.json").unlink()
    second = build("tiny", cache=tmp_path / "cache")
    assert first == second
    assert first.n_systems == 1


def test_download_of_other_bytes_is_refused(
    registered: KnownReference, server: tuple[str, Path], tmp_path: Path
) -> None:
    (server[1] / "test.json").write_text("[]")
    with pytest.raises(InfrastructureError, match="is not the file that is registered"):
        build("tiny", cache=tmp_path / "cache")


def test_missing_download_is_told_with_its_address(
    registered: KnownReference, server: tuple[str, Path], tmp_path: Path
) -> None:
    (server[1] / "test.json").unlink()
    with pytest.raises(InfrastructureError, match=r"test\.json cannot be downloaded: 404"):
        build("tiny", mirror=tmp_path, cache=tmp_path / "cache")


def test_a_machine_without_a_network_is_told_in_one_sentence(
    registered: KnownReference, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(InfrastructureError) as refused:
        build("tiny", cache=tmp_path / "cache")
    assert str(refused.value).endswith(
        "cannot be downloaded: 127.0.0.1 cannot be reached from here"
    )


def test_mirror_is_used_before_the_network_and_checked(
    registered: KnownReference, server: tuple[str, Path], tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror" / "mlearn"
    mirror.mkdir(parents=True)
    (mirror / "test.json").write_bytes((server[1] / "test.json").read_bytes())
    (server[1] / "test.json").unlink()
    assert build("tiny", mirror=mirror.parent, cache=tmp_path / "cache").n_systems == 1
    (mirror / "test.json").write_text("[]")
    with pytest.raises(InfrastructureError, match="in the local mirror has sha256"):
        build("tiny", mirror=mirror.parent, cache=tmp_path / "cache")


def test_other_canonical_bytes_than_registered_are_refused_and_leave_nothing(
    registered: KnownReference, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = replace(registered, sha256="0" * 64)
    monkeypatch.setattr(sets, "known_references", lambda: {"tiny": wrong})
    with pytest.raises(InfrastructureError, match="tiny came out with sha256"):
        build("tiny", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("tiny*"))


# Reading what someone else wrote.


def frame(system_id: object = "a", **results: Any) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.info = {"family": "f"} | ({} if system_id is None else {"system_id": system_id})
    atoms.calc = SinglePointCalculator(atoms, **({"energy": -1.0} | results))
    return atoms


def written(tmp_path: Path, *frames: Atoms) -> Path:
    path = tmp_path / "set.extxyz"
    ase.io.write(path, list(frames), format="extxyz")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    forces, stress = np.arange(12.0).reshape(4, 3), np.arange(6.0)
    atoms = frame("one", forces=forces, stress=stress)
    atoms.info["barrier_eV"] = 0.25
    (system,) = read(written(tmp_path, atoms))
    assert (system.id, system.family) == ("one", "f")
    assert set(system.reference) == {"energy", "forces", "stress", "barrier_eV"}
    assert system.reference["energy"] == -1.0
    assert system.reference["barrier_eV"] == 0.25
    assert system.reference["forces"].tolist() == forces.tolist()
    assert system.reference["stress"].tolist() == stress.tolist()
    assert system.atoms.calc is None and system.atoms.info == {}


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([frame("a"), frame("a")], "Two structures are named a"),
        ([frame(None)], "Structure 0 needs a text as system_id, not None"),
        ([frame("F")], "Structure 0 needs a text as system_id, not"),
        ([frame(1.5)], "needs a text as system_id, not"),
        ([frame(energy=np.nan)], "a: the reference energy is not a finite number"),
        ([frame(forces=np.full((4, 3), np.inf))], "reference forces is not a finite number"),
    ],
)
def test_bad_frames_are_refused_by_name(
    frames: list[Atoms], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsuitableReference, match=complaint):
        read(written(tmp_path, *frames))


@pytest.mark.parametrize("content", ["", "no xyz at all\n", "3\ncomment\nCu 0 0\n", "\0\1\2"])
def test_file_that_is_no_extxyz_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "upload.extxyz"
    path.write_text(content)
    with pytest.raises(UnsuitableReference, match=r"upload\.extxyz (cannot be read|holds no)"):
        read(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableReference, match=r"gone\.extxyz cannot be read"):
        read(tmp_path / "gone.extxyz")


def test_a_file_of_which_a_part_would_be_read_is_refused(tmp_path: Path) -> None:
    frame = '1\nProperties=species:S:1:pos:R:3 system_id=a{} energy=1.0 pbc="F F F"\nCu 0 0 0\n'
    path = tmp_path / "r.extxyz"
    path.write_text(frame.format(1) + "\n" + frame.format(2))
    with pytest.raises(UnsuitableReference, match=r"2 structures, of which 1 could be read.* 4\."):
        sets.read(path)
    path.write_text(frame.format(1) + frame.format(2) + "\n\n")
    assert [system.id for system in sets.read(path)] == ["a1", "a2"]
