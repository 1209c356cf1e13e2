"""Output files in a folder, and what stands behind the progress bar."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.cli.durations import format_duration
from evaluator.cli.output_folder import SystemFolders, folder_name, format_files
from evaluator.cli.progress_bar import details_of
from evaluator.contract import FileRecord, Phase, Progress
from evaluator.driver.output_files import hand_over


def test_files_are_written_in_a_folder_for_each_system(tmp_path: Path) -> None:
    target = tmp_path / "out"
    files = [("Si", "a.json", b"1"), ("../up", "a.json", b"2"), ("a b/c", "b.json", b"3")]

    records = hand_over(files, SystemFolders(target).write)

    found = {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    assert found == {
        "Si/a.json": b"1",
        f"{folder_name('../up')}/a.json": b"2",
        f"{folder_name('a b/c')}/b.json": b"3",
    }
    assert format_files(records, target) == f"3 output files written to {target}"


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", ".hidden", "ü", "a\nb", "x" * 300])
def test_a_name_that_is_unsafe_as_a_folder_is_replaced(name: str) -> None:
    safe = folder_name(name)
    assert Path(safe).name == safe
    assert not safe.startswith(".")
    assert len(safe) < 120
    assert safe != folder_name(name + "_")


def test_what_was_left_out_or_not_wanted_is_said(tmp_path: Path) -> None:
    record = FileRecord(
        system_id="Si",
        name="a.json",
        sha256="0" * 64,
        size_bytes=1,
        media_type="application/json",
        left_out="Too large.",
    )
    assert format_files([record], None) == "1 output file not written: name a folder by --files"
    assert format_files([record], tmp_path).splitlines() == [
        f"0 output files written to {tmp_path}",
        "  Si: a.json is left out. Too large.",
    ]


def test_the_bar_tells_calls_and_the_time_left() -> None:
    progress = Progress(
        phase=Phase.SIMULATING, n_done=12, n_total=71, n_calls=3450, remaining_s=150.0
    )
    assert details_of(progress) == "3,450 force calls, about 2 min left"
    assert details_of(Progress(phase=Phase.LOADING, n_total=1)) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.4, "59 s"), (61, "1 min"), (3540, "59 min"), (7900, "2 h 10 min")],
)
def test_an_estimate_is_rounded(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
