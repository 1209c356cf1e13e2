"""The ``name`` of frames is their system_id where it tells them apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluator.references import sets
from evaluator.references.conventions import Convention
from evaluator.references.upload import check_upload


def read(folder: Path, *headers: str) -> tuple[list[str], list[str]]:
    """Names of the systems, and the notes that speak of names."""
    path = folder / "set.extxyz"
    path.write_text(
        "".join(f"1\n{header} energy=-1\nCu 0 0 {i}\n" for i, header in enumerate(headers))
    )
    found = check_upload(path, folder / "out.extxyz", Convention())
    ids = [system.id for system in sets.read(folder / "out.extxyz")]
    return ids, [note for note in found["notes"] if note.startswith("name is")]


def test_the_name_of_frames_is_used_and_said_so(tmp_path: Path) -> None:
    ids, notes = read(tmp_path, "name=Cu-fcc", 'name="my slab"', "name=007")
    assert ids == ["Cu-fcc", "my_slab", "structure-007"]
    assert notes == ["name is used as system_id."]


def test_a_system_id_is_used_before_a_name(tmp_path: Path) -> None:
    ids, _ = read(tmp_path, "name=copper system_id=a", "name=copper system_id=b")
    assert ids == ["a", "b"]
    ids, notes = read(tmp_path, "name=copper system_id=a", "name=gold")
    assert ids == ["a", "gold"]
    assert notes == ["name is used as system_id."]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (("name=copper", "name=copper"), "2 structures are named copper."),
        (("name=a", "name=b", "name=", "nothing=1"), "2 structures have none."),
        (("name=a system_id=b", "name=b"), "2 structures are named b."),
    ],
)
def test_names_that_do_not_tell_structures_apart_are_not_used(
    tmp_path: Path, headers: tuple[str, ...], why: str
) -> None:
    ids, notes = read(tmp_path, *headers)
    assert notes == [f"name is not used as system_id: {why}"]
    assert len(set(ids)) == len(headers)


def test_names_in_json_are_used_too(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    rows = [
        {"symbols": ["Cu"], "positions": [[0, 0, i]], "energy": -1.0, "name": f"Atom-{i}"}
        for i in range(2)
    ]
    path.write_text(json.dumps(rows))
    check_upload(path, tmp_path / "out.extxyz", Convention())
    assert [system.id for system in sets.read(tmp_path / "out.extxyz")] == ["Atom-0", "Atom-1"]
