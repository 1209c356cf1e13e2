"""``touchstone data``: the reference sets, how to get them, and a check of one's own."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.places import add_mirror_argument, cache_folder, mirror_folder
from evaluator.cli.reference_files import add_check_action
from evaluator.cli.service import add_service_arguments, add_url_argument, named_url
from evaluator.cli.service_tasks import public_client, public_set, served_rows, shipped_name
from evaluator.cli.suggestions import did_you_mean
from evaluator.client import Client
from evaluator.exceptions import InfrastructureError, SubmissionError
from evaluator.references import sets

_FETCH = (
    "download what a set is made of (or take it from the mirror) and build it; one that does not "
    "ship comes from the service that is named or signed in to"
)


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser("data", help="list, fetch and check reference sets")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="list the reference sets")
    add_service_arguments(listing)
    listing.set_defaults(run=_list)

    for name, help_text in (
        ("fetch", _FETCH),
        ("build", "the same as fetch"),
    ):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("names", metavar="NAME", nargs="+")
        action.add_argument(
            "--json", action="store_true", help="print JSON, a line for each set when it is there"
        )
        add_url_argument(action)
        add_mirror_argument(action)
        action.set_defaults(run=_fetch)
    add_check_action(actions)


def fetch(name: str, arguments: argparse.Namespace) -> sets.BuiltReference:
    """Build a registered set in the cache, with a progress bar on stderr."""
    with tqdm(desc=f"Reference {name}", leave=False, disable=None, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        return sets.build(
            name, mirror=mirror_folder(arguments), cache=cache_folder(), progress=show
        )


def _list(arguments: argparse.Namespace) -> int:
    entries = list(sets.known_references().values())
    served = served_rows(arguments, lambda client: client.reference_sets())
    if arguments.json:
        shown = ("name", "version", "title", "level_of_theory", "licence", "citation", "sha256")
        shipped = [{key: getattr(entry, key) for key in shown} for entry in entries]
        print(json.dumps(shipped if served is None else served, indent=2))
        return ExitCode.OK
    for row in served or ():
        print(f"{row['slug']} (version {row['version']}, {row['level_of_theory']})")
        hidden = "" if row["is_public"] else " Hidden: it is given to nobody."
        print(f"    {row['title']}. Licence: {row['licence']}.{hidden}")
    if served is not None:
        print(f"\n{len(served)} sets of {named_url(arguments)}. Shipped beside them:")
    there = {(row["slug"], row["version"]) for row in served or ()}
    for entry in entries:
        if (entry.name, entry.version) not in there:
            print(f"{entry.name} (version {entry.version}, {entry.level_of_theory})")
            print(f"    {entry.title}. Licence: {entry.licence}.")
    return ExitCode.OK


def _fetch(arguments: argparse.Namespace) -> int:
    """One set that cannot be had does not keep back the others; the exit code tells of it."""
    code = ExitCode.OK
    for name in arguments.names:
        try:
            _fetch_one(name, arguments)
        except InfrastructureError as error:
            code = ExitCode.INFRASTRUCTURE_ERROR
            print(f"touchstone: {error}", file=sys.stderr)
            if arguments.json:
                print(json.dumps({"name": name, "error": str(error)}), flush=True)
    return code


def _fetch_one(name: str, arguments: argparse.Namespace) -> None:
    """What ships is built here; else, or where a service is named for this, it gives the set."""
    shipped = sets.known_references()
    client = public_client(arguments)
    if client is None or (name in shipped and arguments.url is None):
        if name not in shipped:
            hint = did_you_mean(name, shipped)
            raise SubmissionError(
                f"there is no reference set {name!r} among those that ship: {hint} (For a "
                "service's set add --url https://host.)"
            )
        _show(fetch(name, arguments), as_json=arguments.json)
        return
    row = _served_set(client, name)
    if not row["is_public"]:
        raise SubmissionError(f"{name} is hidden: {client.url} gives it to nobody")
    if (registered := shipped_name(row["sha256"])) is not None:
        _show(fetch(registered, arguments), as_json=arguments.json)
        return
    path = public_set(client, row["sha256"], f"{row['slug']} {row['version']}")
    _show_served(row, path, as_json=arguments.json)


def _served_set(client: Client, name: str) -> dict[str, Any]:
    """The service's set by its slug, the newest version of it, or by slug-version."""
    rows = list(client.reference_sets())
    exact = [row for row in rows if name in (f"{row['slug']}-{row['version']}", row["sha256"])]
    by_slug = [row for row in rows if row["slug"] == name]
    if exact or by_slug:
        return (exact or sorted(by_slug, key=_in_order_of_versions))[-1]
    hint = did_you_mean(name, [row["slug"] for row in rows]) or "it has none yet"
    raise SubmissionError(f"{client.url} has no reference set {name!r}: {hint}")


def _in_order_of_versions(row: Mapping[str, Any]) -> list[tuple[int, str]]:
    """2 before 10, and 2025.1 before 2025.2."""
    parts = re.split(r"(\d+)", row["version"])
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]


def _show_served(row: Mapping[str, Any], path: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"name": row["slug"], "path": str(path), **row}), flush=True)
        return
    print(path)
    print(f"sha256     {row['sha256']}")
    print(f"systems    {row['n_systems']} ({', '.join(row['properties'])})")
    print(f"licence    {row['licence']}")
    print(f"cite       {row['citation']}")


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
