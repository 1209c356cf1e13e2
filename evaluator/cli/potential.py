"""``touchstone potential``: show, change and remove what the service says of a potential."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from evaluator.cli.cards import add_card_arguments, option_of, read_card
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.questions import is_agreed
from evaluator.cli.service import add_service_arguments, connect
from evaluator.cli.suggestions import N_COMPARED, suggesting
from evaluator.client import Client, Potential, Refused
from evaluator.exceptions import SubmissionError
from evaluator.sentences import in_one_text

#: Of the service's answer, what is said of a potential rather than found by the service.
_SHOWN = (
    *("name", "owner", "team", "architecture", "level_of_theory", "training_sets"),
    *("n_parameters", "licence", "authors", "paper_url", "code_url", "description"),
)


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "potential", help="show, change or remove the card of your potential"
    )
    acts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    show = acts.add_parser("show", help="print what the service says of it")
    _add_slug(show)
    show.set_defaults(run=_show)

    edit = acts.add_parser(
        "edit",
        help="change what is said of it",
        description="Changes what is named and nothing else; an empty text empties a field. Its "
        "name in addresses stays.",
    )
    _add_slug(edit)
    add_card_arguments(edit, "what is to be said of it")
    edit.set_defaults(run=_edit)

    delete = acts.add_parser(
        "delete",
        help="remove it; one that has versions stays",
        description="Removes a potential that has no versions. What has been judged stays in the "
        "record: withdraw a version on its page if it should not be seen.",
    )
    _add_slug(delete)
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(run=_delete)


def _add_slug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG", help="its name in addresses")
    add_service_arguments(parser)


def _show(arguments: argparse.Namespace) -> int:
    client = connect(arguments, needs_token=False)
    potential = _potential(client, arguments.slug)
    if arguments.json:
        print(json.dumps(potential.raw, indent=2))
        return ExitCode.OK
    for name in _SHOWN:
        print(f"{name.replace('_', ' '):<16} {_told(potential.raw.get(name))}")
    print(f"{client.url}{potential.page}")
    return ExitCode.OK


def _edit(arguments: argparse.Namespace) -> int:
    fields = read_card(arguments).potential
    named = fields.pop("slug", arguments.slug)
    if named != arguments.slug:
        raise SubmissionError(
            f"the card is that of {named!r}, not of {arguments.slug!r}: the name in addresses "
            "never changes"
        )
    if not fields:
        raise SubmissionError("say what is to change, e.g. --licence MIT, or --card FILE")
    client = connect(arguments)
    before = _potential(client, arguments.slug).raw
    try:
        changed = client.change_potential(arguments.slug, fields)
    except Refused as refusal:
        refusal.args = (_worded(refusal),)
        raise
    if arguments.json:
        print(json.dumps(changed.raw, indent=2))
        return ExitCode.OK
    lines = _differences(before, changed.raw)
    if not lines:
        print(f"{arguments.slug} says all of this already; nothing was changed.")
    for line in lines:
        print(line)
    return ExitCode.OK


def _delete(arguments: argparse.Namespace) -> int:
    client = connect(arguments)
    potential = _potential(client, arguments.slug)
    if not arguments.yes and not _is_sure(potential.name, arguments.slug):
        print("Nothing was removed.")
        return ExitCode.OK
    client.delete_potential(arguments.slug)
    if arguments.json:
        print(json.dumps({"removed": arguments.slug}))
    else:
        print(f"Removed the potential {arguments.slug} from {client.url}.")
    return ExitCode.OK


def _potential(client: Client, slug: str) -> Potential:
    with suggesting(
        "potential", slug, lambda: (p.slug for p in islice(client.potentials(), N_COMPARED))
    ):
        return client.potential(slug)


def _is_sure(name: str, slug: str) -> bool:
    unasked = "there is no terminal to ask at: say --yes to remove it"
    return is_agreed(f"Remove {name} ({slug})?", without_terminal=unasked)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [
        f"{name.replace('_', ' ')}: {_told(before.get(name))} -> {_told(after.get(name))}"
        for name in (*_SHOWN, "is_baseline")
        if before.get(name) != after.get(name)
    ]


def _told(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(empty)"
    return "(empty)" if value in ("", None) else str(value)


def _worded(refusal: Refused) -> str:
    """The service's sentences with the options that they are about."""
    errors = refusal.problem.errors
    if not errors:
        return str(refusal)
    named = ((error.pointer.removeprefix("#/").split("/")[0], error.detail) for error in errors)
    return in_one_text(f"{option_of(field)}: {detail}" for field, detail in named)
