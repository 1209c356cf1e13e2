"""``touchstone data``: the reference sets, how to get them, and a check of one's own."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tqdm import tqdm

from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.places import add_mirror_argument, cache_folder, mirror_folder
from evaluator.cli.reference_files import add_check_action
from evaluator.exceptions import InfrastructureError, SubmissionError
from evaluator.references import sets


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser("data", help="list, fetch and check reference sets")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="list the reference sets")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_list)

    for name, help_text in (
        ("fetch", "download what a set is made of (or take it from the mirror) and build it"),
        ("build", "the same as fetch"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("names", metavar="NAME", nargs="+")
        action.add_argument(
            "--json", action="store_true", help="print JSON, a line for each set when it is there"
        )
        add_mirror_argument(action)
        action.set_defaults(run=_fetch)
    add_check_action(actions)


def fetch(name: str, arguments: argparse.Namespace) -> sets.BuiltReference:
    """Build a registered set in the cache, with a progress bar on stderr."""
    with tqdm(desc=f"Reference {name}", leave=False, disable=None, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        try:
            return sets.build(
                name, mirror=mirror_folder(arguments), cache=cache_folder(), progress=show
            )
        except sets.UnknownReference as error:
            raise SubmissionError(str(error)) from error


def _list(arguments: argparse.Namespace) -> int:
    entries = list(sets.known_references().values())
    if arguments.json:
        shown = ("name", "version", "title", "level_of_theory", "licence", "citation", "sha256")
        print(json.dumps([{k: getattr(e, k) for k in shown} for e in entries], indent=2))
        return ExitCode.OK
    for entry in entries:
        print(f"{entry.name} (version {entry.version}, {entry.level_of_theory})")
        print(f"    {entry.title}. Licence: {entry.licence}.")
    return ExitCode.OK


def _fetch(arguments: argparse.Namespace) -> int:
    """One set that cannot be had does not keep back the others; the exit code tells of it."""
    code = ExitCode.OK
    for name in arguments.names:
        try:
            _show(fetch(name, arguments), as_json=arguments.json)
        except InfrastructureError as error:
            code = ExitCode.INFRASTRUCTURE_ERROR
            print(f"touchstone: {error}", file=sys.stderr)
            if arguments.json:
                print(json.dumps({"name": name, "error": str(error)}), flush=True)
    return code


def _show(built: sets.BuiltReference, *, as_json: bool) -> None:
    if as_json:
        rows = {
            "name": built.known.name,
            "version": built.known.version,
            "title": built.known.title,
            "level_of_theory": built.known.level_of_theory,
            "url": built.known.url,
            "is_public": built.known.public,
            "path": str(built.path),
            "sha256": built.sha256,
            "n_systems": built.n_systems,
            "elements": list(built.elements),
            "properties": list(built.properties),
            "licence": built.known.licence,
            "citation": built.known.citation,
            **built.metadata,
        }
        print(json.dumps(rows), flush=True)
        return
    print(built.path)
    print(f"sha256     {built.sha256}")
    print(f"systems    {built.n_systems} ({', '.join(built.properties)})")
    print(f"licence    {built.known.licence}")
    print(f"cite       {built.known.citation}")
