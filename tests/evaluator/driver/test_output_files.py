from __future__ import annotations

import hashlib

import pytest

from evaluator.contract import FileRecord
from evaluator.driver import output_files
from evaluator.driver.output_files import hand_over


def kept_of(files: list[tuple[str, str, bytes]]) -> tuple[list[str], tuple[FileRecord, ...]]:
    kept: list[str] = []
    records = hand_over(files, lambda record, content: kept.append(record.name))
    return kept, records


def test_a_file_is_handed_over_with_its_hash_size_and_kind() -> None:
    given: list[tuple[FileRecord, bytes]] = []

    records = hand_over(
        [("Si", "bands.json.gz", b"abc")], lambda record, content: given.append((record, content))
    )

    expected = FileRecord(
        system_id="Si",
        name="bands.json.gz",
        sha256=hashlib.sha256(b"abc").hexdigest(),
        size_bytes=3,
        media_type="application/gzip",
    )
    assert records == (expected,)
    assert given == [(expected, b"abc")]


def test_a_file_over_the_cap_is_left_out_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_files, "MAX_FILE_BYTES", 3)

    kept, records = kept_of([("Si", "small.txt", b"123"), ("Si", "large.txt", b"1234")])

    assert kept == ["small.txt"]
    assert [record.left_out for record in records] == [
        "",
        "Larger than the 3 bytes that one file may have.",
    ]
    assert records[1].size_bytes == 4


def test_an_evaluation_keeps_what_fits_together_in_the_order_of_its_systems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output_files, "MAX_EVALUATION_BYTES", 5)

    kept, records = kept_of([("a", "a.txt", b"123"), ("b", "b.txt", b"123"), ("c", "c.txt", b"12")])

    assert kept == ["a.txt", "c.txt"]
    assert records[1].left_out == "The files of one evaluation may have 5 bytes together."


@pytest.mark.parametrize(
    "name", ["", ".hidden", "../up", "a/b", "a b", 'a"b', "a\nb", "ü.txt", "a" * 101, "a\n"]
)
def test_an_unsafe_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for an output file"):
        kept_of([("Si", name, b"")])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "application/json"),
        ("a.extxyz", "chemical/x-xyz"),
        ("a.extxyz.gz", "application/gzip"),
        ("a.html", "application/octet-stream"),
        ("plain", "application/octet-stream"),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_last_suffix(name: str, kind: str) -> None:
    assert output_files.media_type(name) == kind
