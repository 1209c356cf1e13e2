"""Output files in a folder, and what stands behind the progress bar."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from evaluator.cli.durations import format_duration
from evaluator.cli.output_folder import SystemFolders, folder_name, format_files
from evaluator.cli.progress_bar import ProgressBar, details_of
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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_counts_systems_and_nothing_while_processes_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar() as bar:
        bar.show(Progress(phase=Phase.LOADING, n_done=1, n_total=2))
        loading = screen.getvalue()
        bar.show(Progress(phase=Phase.SIMULATING, n_done=12, n_total=71, n_calls=34))
        simulating = screen.getvalue().removeprefix(loading)
        bar.show(Progress(phase=Phase.SCORING, n_done=0, n_total=1))
        scoring = screen.getvalue().removeprefix(loading + simulating)
    assert "Loading" in loading
    assert "Scoring" in scoring
    assert "%" not in loading + scoring.rpartition("Scoring")[2]
    assert "12/71 systems" in simulating
    assert "34 force calls" in simulating


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.4, "59 s"), (61, "1 min"), (3540, "59 min"), (7900, "2 h 10 min")],
)
def test_an_estimate_is_rounded(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
