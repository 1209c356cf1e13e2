from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from evaluator.cli.kind_guess import json_fault, kinds_by_content

JSON, TORCH = ["ase", "dummy", "xtb"], ["chgnet", "mace", "sevennet"]
ZIP = ["matgl", "diep", "package"]


def archive(*names: str, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kinds", "guessed"),
    [
        (b'\n {"calculator": "emt"}', JSON, ["ase"]),
        (b'{"default_eV": 0}', JSON, ["dummy"]),
        (b'{"energy_per_atom_eV": {"Si": -5.4}}', JSON, ["dummy"]),
        (b'{"method": "GFN2-xTB"}', JSON, ["xtb"]),
        (archive("potential.py", "weights.pt"), ZIP, ["package"]),
        (archive("diep_fold1/model.json", "diep_fold1/state.pt"), ZIP, ["diep"]),
        (archive("m/data.pkl", content=b"onehot_to_feature_x.linear"), TORCH, ["sevennet"]),
        (archive("m/model.json", "m/model.pt", "m/state.pt"), ZIP, ["matgl"]),
        (archive("m/data.pkl", content=b"cmace.modules.models\nScaleShiftMACE"), TORCH, ["mace"]),
        (archive("m/data.pkl", content=b"\x8c\x12chgnet.model.model"), TORCH, ["chgnet"]),
        # What tells nothing, and what speaks for a kind that the ending excludes.
        (b'{"weights": []}', JSON, JSON),
        (b"{broken", JSON, JSON),
        (b"", JSON, JSON),
        (b"[1, 2]", JSON, JSON),
        (archive("m/data.pkl"), TORCH, TORCH),
        (archive("readme.txt"), ZIP, ZIP),
        (archive("potential.py"), TORCH, TORCH),
    ],
)
def test_the_content_tells_the_kind_where_the_ending_leaves_it_open(
    content: bytes, kinds: list[str], guessed: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert kinds_by_content(path, kinds) == guessed


def test_a_large_json_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps({"calculator": "emt", "more": "x" * 2**21}))
    assert kinds_by_content(path, JSON) == JSON


def test_json_that_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "emt.json"
    for content, fault in (
        ('{"calculator": "emt",', "line 1 column 22"),
        ('{"calculator": "emt"}', ""),
        ("PK", ""),
        ('{"a":' * 100_000, "recursion"),
    ):
        path.write_text(content)
        assert fault in json_fault(path)
        assert bool(fault) == bool(json_fault(path))
    assert json_fault(tmp_path) == json_fault(tmp_path / "nowhere") == ""


def test_a_file_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert kinds_by_content(tmp_path, JSON) == JSON
