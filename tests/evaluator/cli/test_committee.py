from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator import frames
from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode

NAMES = [f"frame-{i}" for i in range(30)]


def report(folder: Path, seed: int, **others: Any) -> str:
    rng = np.random.default_rng(seed)
    hard = np.linspace(0.1, 2, len(NAMES))
    errors = frames.FrameErrors(
        energies_meV_atom=hard * rng.normal(size=len(NAMES)),
        forces_eV_A=[h * rng.normal(size=(8, 3)) for h in hard],
    )
    record = frames.packed(errors, NAMES)
    assert record is not None
    told = {
        "task": {"slug": "hot", "version": 1, "reference": {"sha256": "ab"}},
        "potential": {"name": f"potential-{seed}"},
        "frame_errors": asdict(record),
        "systems": [{"cluster": name} for name in NAMES],
    }
    path = folder / f"{seed}.json"
    path.write_text(json.dumps(told | others))
    return str(path)


def test_each_is_judged_by_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [report(tmp_path, seed) for seed in range(3)]
    assert main(["committee", *files]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["Forces", "/", "eV/Å"]
    first = lines[1].split()
    assert first[0] == "potential-0"
    assert 1.5 < float(first[1]) <= 2
    assert first[2] == "30"
    assert float(first[3]) > 0.8
    assert "Energies / meV/atom" in lines[5]


@pytest.mark.parametrize(
    ("others", "complaint"),
    [
        ({"frame_errors": None}, "has no single frames"),
        ({"frame_errors": {"n_atoms": [1], "packed": "%"}}, "is no report of touchstone evaluate"),
        ({"task": {"slug": "cold", "version": 1, "reference": {"sha256": "ab"}}}, "another task"),
        ({"systems": 3}, "is no report of touchstone evaluate"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: dict[str, Any], complaint: str
) -> None:
    files = [report(tmp_path, 0), report(tmp_path, 1, **others)]
    assert main(["committee", *files]) == ExitCode.USAGE
    assert complaint in capsys.readouterr().err


def test_one_alone_is_no_committee(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["committee", report(tmp_path, 0)]) == ExitCode.USAGE
    assert "two potentials or more" in capsys.readouterr().err
