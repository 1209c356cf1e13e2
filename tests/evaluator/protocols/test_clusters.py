"""Which systems are alike: those of one material, or of one trajectory where the set tells."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from ase import Atoms

from evaluator.protocols import PROTOCOLS
from evaluator.protocols.base import Protocol, System
from evaluator.references.builders import BUILDERS
from evaluator.references.sets import build, known_references, read_content
from evaluator.standard_tasks.read import standard_task

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")
EVERY = [pytest.param(protocol, id=name) for name, protocol in PROTOCOLS.items()]


def system(name: str, formula: str, **more: str) -> System:
    return System(id=name, atoms=Atoms(formula), **more)


@pytest.mark.parametrize("protocol", EVERY)
def test_structures_of_one_material_are_alike(protocol: Protocol) -> None:
    systems = [system("a", "FLi"), system("b", "Li4F4"), system("c", "LiF2"), system("d", "Si2")]
    assert protocol.clusters(systems) == ["LiF", "LiF", "LiF2", "Si"]


@pytest.mark.parametrize("protocol", EVERY)
def test_what_the_set_says_comes_first(protocol: Protocol) -> None:
    systems = [system("a", "Si", cluster="run-1"), system("b", "Si", cluster="run-2")]
    assert protocol.clusters([*systems, system("c", "Si")]) == ["run-1", "run-2", "Si"]


def test_frames_of_one_trajectory_of_a_defect_are_alike() -> None:
    frames = [system(f"si-{f}-{i}", "Si63", family=f) for f in ("vacancy", "gap") for i in (0, 1)]
    clusters = PROTOCOLS["rare_event_forces"].clusters(frames)
    assert clusters == ["Si vacancy", "Si vacancy", "Si gap", "Si gap"]


def test_a_file_may_name_clusters_and_its_numbers_keep_their_names() -> None:
    head = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"'
    frames = [f"1\n{head} system_id=s{i} cluster=run-{i // 2} gap=1.5\nSi 0 0 0" for i in range(3)]
    (first, second, third) = read_content("\n".join(frames).encode(), "set.extxyz")
    assert [first.cluster, second.cluster, third.cluster] == ["run-0", "run-0", "run-1"]
    assert first.reference == {"gap": 1.5}


def clusters_of(task: str, systems: Sequence[System]) -> list[str]:
    return PROTOCOLS[standard_task(task).spec.protocol].clusters(systems)


def test_replicas_and_temperatures_of_a_material_are_alike() -> None:
    known = known_references()[standard_task("md-heating").reference_name]
    frames, _ = BUILDERS[known.builder]([], known.options)
    systems = [System(id=a.info["system_id"], atoms=a) for a in frames]
    clusters = clusters_of("md-heating", systems)
    assert len(systems) > len(set(clusters)) == 20


@pytest.mark.slow
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("mlearn-forces", {"Cu", "Ge", "Li", "Mo", "Ni", "Si"}),
        ("rare-event-forces-si", {"Si interstitial", "Si vacancy"}),
        ("md-structure-mlearn", {"Ge", "Li", "Mo", "Si"}),
    ],
)
def test_shipped_sets_have_the_clusters_of_their_origin(
    task: str, names: set[str], tmp_path: Path
) -> None:
    built = build(standard_task(task).reference_name, mirror=Path(str(MIRROR)), cache=tmp_path)
    systems = read_content(built.path.read_bytes(), built.path.name)
    assert set(clusters_of(task, systems)) == names
