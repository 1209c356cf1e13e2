"""Reference files of the user's own: read as the service's upload form reads them."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.cli.exit_codes import ExitCode
from evaluator.exceptions import SubmissionError
from evaluator.references.convention_options import add_convention_arguments, convention_of
from evaluator.references.conventions import Convention
from evaluator.references.formats import read_file
from evaluator.references.sets import canonical_bytes
from evaluator.references.upload import check_upload

_RANGES = {"energy_eV_per_atom": "eV/atom", "force_eV_A": "eV/Å", "stress_GPa": "GPa"}


def add_check_action(actions: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = actions.add_parser(
        "check",
        help="say what the upload form would say to a reference file of yours",
        description="Reads the file as the service's form does, and says what it holds, how it was "
        "read and what looks wrong. Nothing is sent anywhere. Ends with 2 where the form would "
        "refuse the file, and with 0 where it would show a preview, doubts or not.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="extended XYZ or JSON")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the canonical file there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--strict", action="store_true", help="end with 2 where something looks wrong, too"
    )
    add_convention_arguments(parser)
    parser.set_defaults(run=_check)


def canonical_reference(arguments: argparse.Namespace, folder: Path) -> Path | None:
    """The file of ``--reference`` in canonical form, of the same name, or None without one."""
    convention = convention_of(arguments)
    if arguments.reference is None:
        if convention != Convention():
            raise SubmissionError("names and units are told of a file given with --reference")
        return None
    path = folder / f"{arguments.reference.stem}.extxyz"
    path.write_bytes(canonical_bytes(read_file(arguments.reference, convention).frames))
    return path


def _check(arguments: argparse.Namespace) -> int:
    convention = convention_of(arguments)
    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        out = arguments.out or Path(folder, "canonical.extxyz")
        try:
            summary = check_upload(arguments.file, out, convention)
        except SubmissionError as error:
            if arguments.json:
                print(json.dumps({"ok": False, "reason": str(error)}, ensure_ascii=False))
            raise
        except OSError as error:
            raise SubmissionError(f"{out} cannot be written: {error.strerror}") from error
    if arguments.json:
        print(json.dumps({"ok": True, "summary": summary}, ensure_ascii=False))
    else:
        print(_described(summary))
    if arguments.strict and summary["problems"]:
        print("touchstone: something looks wrong", file=sys.stderr)
        return ExitCode.USAGE
    return ExitCode.OK


def _described(summary: Mapping[str, Any]) -> str:
    elements = ", ".join(f"{symbol} ({n})" for symbol, n in summary["elements"].items())
    lines = [
        f"structures  {summary['n_systems']}, {summary['n_atoms']} atoms in all",
        f"elements    {elements}",
        f"every one   {', '.join(summary['common']) or 'no reference value'}",
        *(
            f"{name.split('_')[0]:<11} {low + 0.0:.6g} to {high + 0.0:.6g} {_RANGES[name]}"
            for name, (low, high) in summary["ranges"].items()
        ),
        f"sha256      {summary['sha256']}",
    ]
    for title, sentences in (
        ("How it was read", summary["notes"]),
        ("What looks wrong", summary["problems"] or ["Nothing."]),
    ):
        if sentences:
            lines += ["", title, *(f"  * {sentence}" for sentence in sentences)]
    return "\n".join(lines)
