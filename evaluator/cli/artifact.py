"""The artifact that ``validate`` and ``submit`` are given, and how it is to be loaded."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from evaluator.catalog import CALCULATOR_KINDS
from evaluator.catalog.elements import SYMBOLS
from evaluator.cli.building import build_for_weights
from evaluator.cli.kind_guess import json_fault, kinds_by_content
from evaluator.exceptions import SubmissionError
from evaluator.paths import user_path
from evaluator.potentials.names import ResolvedPotential, resolve


def add_artifact_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", metavar="PATH", help="the file, or KIND:WHAT as touchstone potentials lists them"
    )
    parser.add_argument(
        "--kind",
        choices=sorted(CALCULATOR_KINDS),
        help="which adapter loads the file; told by its ending and content where that is possible",
    )
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the adapter, e.g. dtype=float64; may be repeated",
    )
    parser.add_argument(
        "--elements",
        metavar="A,B",
        help="supported elements, e.g. Si,O; left out, the checkpoint tells",
    )


def resolve_artifact(arguments: argparse.Namespace, folder: Path) -> ResolvedPotential:
    """Find the file, its kind and its settings; ``folder`` takes what has to be written.

    Raises SubmissionError for whatever the user can correct.
    """
    if fault := json_fault(user_path(arguments.path)):
        raise SubmissionError(f"{arguments.path} is no valid JSON: {fault}")
    kind, what = _kind_and_what(arguments.path, arguments.kind)
    for setting in arguments.setting:
        if "=" not in setting:
            raise SubmissionError(f"--setting {setting!r} must be KEY=VALUE")
    build_for_weights(f"{kind}:{what}")
    resolved = resolve(",".join([f"{kind}:{what}", *arguments.setting]), folder)
    if arguments.elements is None:
        return resolved
    return replace(
        resolved, spec=replace(resolved.spec, supported_elements=read_elements(arguments.elements))
    )


def _kind_and_what(text: str, kind: str | None) -> tuple[str, str]:
    prefix, colon, rest = text.partition(":")
    if colon and prefix in CALCULATOR_KINDS and not Path(text).exists():
        if kind not in (None, prefix):
            raise SubmissionError(f"{text} is of kind {prefix}, not {kind}")
        return prefix, rest
    if kind is not None:
        return kind, text
    path = user_path(text)
    if not path.exists():
        raise SubmissionError(f"{text} does not exist")
    if (path / "model.json").is_file():
        return "matgl", text
    if path.is_dir():
        raise SubmissionError(f"{text} is a folder, not a file")
    if path.stat().st_size == 0:
        raise SubmissionError(f"{text} is empty")
    suits = [k.name for k in CALCULATOR_KINDS.values() if text.lower().endswith(k.suffixes)]
    known = kinds_by_content(path, suits or list(CALCULATOR_KINDS))
    if len(known) == 1:
        return known[0], text
    what = [f"{name} is {CALCULATOR_KINDS[name].artifact}." for name in known if len(known) < 4]
    ask = f"what kind is {Path(text).name}? Say --kind with one of {', '.join(known)}."
    raise SubmissionError(" ".join([ask, *what]))


def read_elements(text: str) -> tuple[str, ...]:
    """Chemical symbols parted by commas. Raises SubmissionError."""
    symbols = tuple(symbol.strip() for symbol in text.split(",") if symbol.strip())
    unknown = [symbol for symbol in symbols if symbol not in SYMBOLS]
    if unknown or not symbols:
        raise SubmissionError(f"--elements {text!r} must be chemical symbols, e.g. Si,O")
    return symbols
