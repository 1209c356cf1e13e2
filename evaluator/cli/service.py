"""Which service the command line talks to, and with which token.

An option wins over the environment (TOUCHSTONE_URL, TOUCHSTONE_TOKEN), which wins over the file
that ``touchstone login`` writes. A token from the file goes only to the service it was made by.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import sys
import tempfile
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path

from evaluator.cli.exit_codes import ExitCode
from evaluator.client import (
    Client,
    ClientError,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Refused,
    ServiceFault,
    UnexpectedAnswer,
    Unreachable,
)
from evaluator.client.errors import words_of
from evaluator.client.transport import checked_url
from evaluator.exceptions import SubmissionError
from evaluator.paths import user_path

URL_VARIABLE = "TOUCHSTONE_URL"
TOKEN_VARIABLE = "TOUCHSTONE_TOKEN"  # noqa: S105  (the name of a variable)
CONFIG_VARIABLE = "TOUCHSTONE_CONFIG"


@dataclass(frozen=True, kw_only=True)
class Login:
    """What the file holds; empty texts where there is nothing."""

    url: str = ""
    token: str = ""


def config_path() -> Path:
    """The configuration's path; TOUCHSTONE_CONFIG names another."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return user_path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return user_path(base) / "touchstone" / "config.toml"


def read_login() -> Login:
    """What is on file; warns on stderr where others can read a token."""
    path = config_path()
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Login()
    except OSError as error:
        raise SubmissionError(f"{path} cannot be read: {error.strerror}") from error
    try:
        content = tomllib.loads(text)
        login = Login(url=str(content.get("url", "")), token=str(content.get("token", "")))
    except tomllib.TOMLDecodeError as error:
        raise SubmissionError(f"{path} is no TOML: {error}") from error
    if login.token and mode & (stat.S_IRWXG | stat.S_IRWXO):
        print(f"touchstone: others can read the token in {path}: chmod 600 it", file=sys.stderr)
    return login


def write_login(login: Login) -> Path:
    """Whole or not at all, readable by the user alone from the first byte on."""
    path = config_path()
    lines = [f"{name} = {json.dumps(value)}" for name, value in vars(login).items() if value]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        Path(partial).replace(path)
    except OSError as error:
        raise SubmissionError(f"{path} cannot be written: {error.strerror}") from error
    return path


def add_service_arguments(parser: argparse.ArgumentParser) -> None:
    add_url_argument(parser)
    parser.add_argument("--json", action="store_true", help="print what the service answers")


def add_url_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        "--server",
        metavar="URL",
        help=f"of the service (default: the environment variable {URL_VARIABLE}, then what "
        "touchstone login has stored)",
    )


def named_url(arguments: argparse.Namespace) -> str:
    """The service meant, or an empty text where none is named."""
    url = arguments.url or os.environ.get(URL_VARIABLE) or read_login().url
    return checked_url(url) if url else ""


def service_url(arguments: argparse.Namespace) -> str:
    """The service meant. Raises SubmissionError where none is named."""
    url = named_url(arguments)
    if not url:
        raise SubmissionError(
            f"which service? Name it with --url https://host, set {URL_VARIABLE}, or sign in with "
            "touchstone login --url https://host"
        )
    return url


def connect(arguments: argparse.Namespace, *, needs_token: bool = True) -> Client:
    """A client of the service meant, with the token that belongs to it."""
    url = service_url(arguments)
    login = read_login()
    stored = login.token if login.url == url else ""
    token = os.environ.get(TOKEN_VARIABLE) or stored
    if needs_token and not token:
        raise NotSignedIn(
            f"you are not signed in to {url}: use touchstone login, or set {TOKEN_VARIABLE}"
        )
    return Client(url, token)


class NotSignedIn(ClientError):
    """There is no token to send."""


def checked_id(text: str) -> str:
    """An id as the service writes it. Raises SubmissionError."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise SubmissionError(
            f"{text!r} is no id of a submission or evaluation; touchstone status lists yours"
        ) from None


def exit_code_of_error(error: ClientError) -> ExitCode:
    """What a script is told of an error between client and service."""
    match error:
        case NotAuthenticated() | Forbidden() | NotSignedIn():
            return ExitCode.NOT_ALLOWED
        case NotFound():
            return ExitCode.NOT_FOUND
        case Unreachable() | UnexpectedAnswer() | ServiceFault():
            return ExitCode.UNREACHABLE
        case Refused():
            return ExitCode.REFUSED
    return ExitCode.USAGE


def describe_error(error: ClientError) -> str:
    """The service's words, and what to do where these do not tell a user of the command line.

    Fields have the names of their options, and what is said to those who speak HTTP is left out.
    """
    if isinstance(error, Unreachable):
        return f"{error} Try again later, or check the URL."
    if not isinstance(error, Refused):
        return str(error)
    problem = error.problem
    is_own = str(error) == words_of(problem)  # else a command has put it into words already
    text = _without_requests(words_of(problem, name_of=_option_of) if is_own else str(error))
    if isinstance(error, NotAuthenticated):
        return f"{text} Sign in again: touchstone login"
    scope = problem.raw.get("missing_scope") or ("admin" if "scope admin" in text else "")
    if scope:
        return f"{text} Sign in for it: touchstone login --scope read --scope {scope}"
    return text


#: Options by the field that they set, where the names differ.
OPTIONS = {
    "calculator_kind": "--kind",
    "supported_elements": "--elements",
    "settings": "--setting",
    "declares_non_conservative": "--non-conservative",
    "visibility": "--private",
    "tasks": "--task",
    "benchmarks": "--benchmark",
    "training_sets": "--training-set",
    "expires_in_days": "--days",
    "scopes": "--scope",
    **dict.fromkeys(("artifact", "filename", "size_bytes", "sha256", "upload"), "the file"),
    "code": "the code",
    "bundle": "the bundle",
    "file": "the file",
}


def _option_of(field: str) -> str:
    """What a user of the command line calls a field; places in a bundle stand as they are."""
    if "[" in field:
        return field.replace("/", ".")
    if "/" in field:
        return field
    if field in OPTIONS:
        return OPTIONS[field]
    return f"--{field.replace('_', '-')}" if field.replace("_", "").isalpha() else field


def _without_requests(text: str) -> str:
    """Drop the clauses that tell of addresses and methods of the API."""
    text = re.sub(r",? or (?:with|from|by) (?:GET|POST|PUT|PATCH|DELETE) /api/\S*?(?=\.?(?:\s|$))",
                  "", text)  # fmt: skip
    # What parts two sentences stays with the second, which may be the next line of a list.
    sentences = re.split(r"(?<=[.!?])(?=\s)", text)
    ours = [s for s in sentences if not re.search(r"/api/v1/|\b(?:POST|PATCH|PUT) ", s)]
    return "".join(ours).strip() or "The service did not take this."
