from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import pytest

from evaluator.calculators.archives import unpack
from evaluator.calculators.base import InvalidArtifact


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_unpack_gives_back_the_files(tmp_path: Path) -> None:
    folder = unpack(write(tmp_path / "a.zip", ("a/b.txt", b"hello"), ("c", b""), ("d/", b"")))
    assert (folder / "a" / "b.txt").read_bytes() == b"hello"
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c", "d"]


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/up", "..\\up", "C:up", "a/..", "."])
def test_unpack_refuses_a_name_that_leads_out(
    name: str, tmp_path: Path, temporary_folder: Path
) -> None:
    with pytest.raises(InvalidArtifact, match="leads out of its folder"):
        unpack(write(tmp_path / "a.zip", ("good", b""), (name, b"evil")))
    assert list(temporary_folder.iterdir()) == []


def test_unpack_refuses_a_link(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with pytest.raises(InvalidArtifact, match="'link' is a link or a device"):
        unpack(write(tmp_path / "a.zip", (link, b"/etc/passwd")))


def test_unpack_counts_bytes_as_they_come(tmp_path: Path, temporary_folder: Path) -> None:
    bomb = write(tmp_path / "bomb.zip", ("zeros", bytes(10_000_000)), ("more", bytes(10_000_000)))
    assert bomb.stat().st_size < 50_000
    with pytest.raises(InvalidArtifact, match="unpacks to more than is allowed"):
        unpack(bomb, most_bytes=15_000_000)
    assert list(temporary_folder.iterdir()) == []


def test_unpack_refuses_too_many_members(tmp_path: Path) -> None:
    artifact = write(tmp_path / "a.zip", *((f"{k}", b"") for k in range(11)))
    with pytest.raises(InvalidArtifact, match="more than 10 members"):
        unpack(artifact, most_files=10)


@pytest.mark.filterwarnings("ignore:Duplicate name")  # it is what the test is about
def test_unpack_refuses_a_name_that_occurs_twice(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtifact, match="'a' occurs twice"):
        unpack(write(tmp_path / "a.zip", ("a", b"1"), ("a", b"2")))


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_unpack_refuses_a_damaged_file(damage: str, tmp_path: Path) -> None:
    whole = write(tmp_path / "a.zip", ("a", bytes(range(256)) * 100)).read_bytes()
    content = {
        "cut": whole[:100],
        "flipped": whole[:40] + bytes([whole[40] ^ 0xFF]) + whole[41:],
        "text": b"no zip",
        "empty": b"",
    }[damage]
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(InvalidArtifact, match="not a zip that can be unpacked"):
        unpack(tmp_path / "bad.zip")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"\x1f\x8b\x08rest", "compressed by gzip"),
        (b"7z\xbc\xaf\x27\x1crest", "a 7z archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"<!doctype html><title>404</title>", "it is a web page"),
        (b"def calculator(folder): ...\n", "it is a text. Pack a zip, also of a single file"),
        (b"PK\x03\x04" + bytes(100), "it is cut short. Upload it again"),
    ],
)
def test_unpack_says_what_was_sent_in_place_of_a_zip(
    content: bytes, told: str, tmp_path: Path
) -> None:
    artifact = tmp_path / "a.zip"
    artifact.write_bytes(content)
    with pytest.raises(InvalidArtifact, match=told):
        unpack(artifact)
