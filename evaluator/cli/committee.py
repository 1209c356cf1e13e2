"""What several potentials say of each other's answers, from reports of ``touchstone evaluate``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluator.cli.exit_codes import ExitCode
from evaluator.contract import FrameErrorsRecord
from evaluator.exceptions import SubmissionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluator.committee import Calibration, Estimate

_QUANTITIES = {"forces": "eV/Å", "energies": "meV/atom"}


class _Report(NamedTuple):
    name: str
    #: What has to be the same for all: task, version, reference and the frames that are kept.
    frames_of: tuple[object, ...]
    n_atoms: tuple[int, ...]
    clusters: list[str]
    errors: NDArray[np.float32]


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "committee",
        help="say how well potentials know each other's errors",
        description="Judges each potential by the others, frame by frame, and compares their "
        "disagreement with its true error: rank correlation, AUROC of the worst tenth, and the "
        "RMSE of all frames and of the surer half, with 95 % intervals. Reads what touchstone "
        "evaluate --json has written of one task, whose systems are single frames.",
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="FILE", help="two or more")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if len(arguments.reports) < 2:
        raise SubmissionError("a committee needs the reports of two potentials or more")
    reports = [_read(path) for path in arguments.reports]
    for report, path in zip(reports, arguments.reports, strict=True):
        if report.frames_of != reports[0].frames_of:
            raise SubmissionError(
                f"{path} is of another task, version or reference set than {arguments.reports[0]}"
            )
    for quantity in _QUANTITIES:
        print("\n".join(_table(reports, quantity)), end="\n\n")
    return ExitCode.OK


def _read(path: Path) -> _Report:
    from evaluator.frames import content_of, unpacked

    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        task, kept, systems = told["task"], told["frame_errors"], told["systems"]
        if kept is None:
            raise SubmissionError(f"{path} has no single frames: its task asks for other things")
        record = FrameErrorsRecord.from_json(kept)
        errors = unpacked(content_of(record), record.n_atoms)
        return _Report(
            name=told["potential"]["name"],
            frames_of=(task["slug"], task["version"], task["reference"]["sha256"], record.n_atoms),
            n_atoms=record.n_atoms,
            clusters=[system["cluster"] for system in systems],
            errors=errors,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SubmissionError(
            f"{path} is no report of touchstone evaluate --json by this release: {error!r}"
        ) from error


def _table(reports: Sequence[_Report], quantity: str) -> list[str]:
    from evaluator.committee import Frames, judged_by_all_others

    n_systems = len(reports[0].n_atoms)
    part = slice(n_systems, None) if quantity == "forces" else slice(n_systems)
    frames = Frames.of([report.errors[part] for report in reports], reports[0].n_atoms, quantity)
    what = f"{quantity.capitalize()} / {_QUANTITIES[quantity]}"
    numbers = f"{'Spearman':<20}{'AUROC':<20}{'RMSE':<26}of the surer half"
    lines = [f"{what:<36} voices  frames  {numbers}"]
    judged = judged_by_all_others(frames, reports[0].clusters)
    for report, (n_voices, found) in zip(reports, judged, strict=True):
        lines.append(f"{report.name:<36.36} {n_voices:6.2f}  {_row(found)}")
    return lines


def _row(found: Calibration | None) -> str:
    if found is None:
        return "nobody to judge it, or fewer than 20 frames"
    return (
        f"{found.n:>6}  {_estimate(found.spearman):<20}{_estimate(found.auroc):<20}"
        f"{_estimate(found.rmse):<26}{_estimate(found.rmse_half)}"
    )


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.2f}-{estimate.high:.2f})"
