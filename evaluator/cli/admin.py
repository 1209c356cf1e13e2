"""``touchstone admin``: a service's tasks, reference sets and benchmarks as YAML, for git."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.questions import is_agreed
from evaluator.cli.service import add_service_arguments, connect
from evaluator.client import Client
from evaluator.client.records import BundleFile
from evaluator.exceptions import SubmissionError
from evaluator.hashing import sha256_of


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "admin", help="keep a service's benchmarks in git (administrators)"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    export = actions.add_parser("export", help="write a bundle and the files beside it")
    export.add_argument("folder", metavar="FOLDER", type=Path)
    export.add_argument("--task", metavar="SLUG", action="append", default=[])
    export.add_argument("--benchmark", metavar="SLUG", action="append", default=[])
    export.add_argument("--drafts", action="store_true", help="drafts as well")
    export.add_argument("--hidden", action="store_true", help="files of hidden sets as well")
    export.add_argument("--no-files", action="store_true", help="the YAML alone")
    export.add_argument(
        "--force", "--yes", action="store_true", help="overwrite what is there, without asking"
    )
    add_service_arguments(export)
    export.set_defaults(run=_export)

    importing = actions.add_parser("import", help="bring the service up to a bundle, or refuse it")
    importing.add_argument(
        "bundle", metavar="BUNDLE", type=Path, help="a bundle.yaml, or a folder with one"
    )
    importing.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and change nothing"
    )
    importing.add_argument(
        "--backfill",
        action="store_true",
        help="then evaluate every submission on what was published, behind everything else",
    )
    add_service_arguments(importing)
    importing.set_defaults(run=_import)


def _export(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    with connect(arguments) as client:
        exported = client.export_bundle(
            tasks=arguments.task, benchmarks=arguments.benchmark, drafts=arguments.drafts
        )
        wanted = []
        for file in exported.files:
            if arguments.no_files or not (file.is_public or arguments.hidden):
                print(f"left out: {file.name}", file=sys.stderr)
            else:
                wanted.append(file)
        try:
            _check_may_overwrite(_changed(folder, exported.bundle, wanted), arguments)
            written = _write(client, folder, exported.bundle, wanted)
        except OSError as error:
            raise SubmissionError(f"{folder} cannot be written: {error}") from error
    if arguments.json:
        print(json.dumps([str(path) for path in written], indent=2))
    else:
        print("\n".join(str(path) for path in written))
    return ExitCode.OK


def _changed(folder: Path, bundle: str, files: Sequence[BundleFile]) -> list[Path]:
    """Files that are there and hold something else than what would be written."""
    path = folder / "bundle.yaml"
    is_same = path.is_file() and path.read_bytes() == bundle.encode()
    changed = [path] if path.exists() and not is_same else []
    for file in files:
        target = folder / Path(file.name).name
        if target.exists() and not (target.is_file() and sha256_of(target) == file.sha256):
            changed.append(target)
    return changed


def _check_may_overwrite(paths: Sequence[Path], arguments: argparse.Namespace) -> None:
    """Ask at a terminal; a script says it beforehand. Raises SubmissionError."""
    if not paths or arguments.force:
        return
    names = ", ".join(str(path) for path in paths)
    unasked = f"{names} would be overwritten: say --force, or name another folder"
    if not is_agreed(f"Overwrite {names}?", without_terminal=unasked):
        raise SubmissionError("nothing was written")


def _write(client: Client, folder: Path, bundle: str, files: Sequence[BundleFile]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "bundle.yaml"]
    written[0].write_text(bundle, encoding="utf-8")
    for file in files:
        target = folder / Path(file.name).name
        if not target.is_file() or sha256_of(target) != file.sha256:
            client.save_reference_file(file.sha256, target)
        written.append(target)
    return written


def _import(arguments: argparse.Namespace) -> int:
    path: Path = arguments.bundle
    if path.is_dir():  # as an export left it
        path = path / "bundle.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{path} cannot be read: {error}") from error
    with connect(arguments) as client:
        done = client.import_bundle(
            text,
            _files(text, path.parent, client),
            dry_run=arguments.dry_run,
            backfill=arguments.backfill,
        )
    if arguments.json:
        print(json.dumps(done.raw, indent=2))
        return ExitCode.OK
    print("\n".join(done.lines))
    if arguments.backfill:
        would = "would be " if arguments.dry_run else ""
        plural = "" if done.n_queued == 1 else "s"
        print(f"{done.n_queued} evaluation{plural} {would}queued")
    if arguments.dry_run:
        print("This was a trial: nothing was changed.")
    return ExitCode.OK


def _files(text: str, folder: Path, client: Client) -> list[Path]:
    """The files that a bundle names and the service may lack; what is wrong, the service tells."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SubmissionError(f"the bundle cannot be read as YAML: {error}") from error
    entries = content.get("reference_sets") if isinstance(content, dict) else None
    known = {file.sha256 for file in client.export_bundle(drafts=True).files}
    paths = []
    for entry in entries if isinstance(entries, list) else []:
        name = entry.get("file") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or entry.get("sha256") in known:
            continue
        paths.append(folder / Path(name).name)
        if not paths[-1].is_file():
            raise SubmissionError(f"there is no file {name} beside the bundle")
    return paths
