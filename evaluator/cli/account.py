"""``touchstone login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import sys
from typing import Any

from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.service import (
    TOKEN_VARIABLE,
    Login,
    add_service_arguments,
    config_path,
    connect,
    describe_error,
    exit_code_of_error,
    read_login,
    service_url,
    write_login,
)
from evaluator.cli.told_names import forget, remember_all
from evaluator.client import Client, ClientError, NotAuthenticated, Quota
from evaluator.client.records import Allowance
from evaluator.exceptions import SubmissionError

_DAYS = 90


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    login = commands.add_parser(
        "login",
        help="sign in to a service and keep the token",
        description=f"The token is kept in {config_path()}, readable by you alone.",
    )
    add_service_arguments(login)
    login.add_argument("--username", help="asked for where it is left out")
    login.add_argument(
        "--token-stdin",
        action="store_true",
        help="read a token that you have made on your account's page from standard input",
    )
    login.add_argument("--name", help="of the new token (default: touchstone on this host)")
    login.add_argument(
        "--days", type=int, metavar="N", help=f"until the new token expires (default {_DAYS})"
    )
    login.add_argument(
        "--scope",
        action="append",
        choices=("read", "submit", "admin"),
        help="what the new token may do (default: read and submit); may be repeated",
    )
    login.set_defaults(run=_login)

    logout = commands.add_parser("logout", help="revoke the token and forget it")
    add_service_arguments(logout)
    logout.set_defaults(run=_logout)

    whoami = commands.add_parser("whoami", help="say who you are to the service, and your quota")
    add_service_arguments(whoami)
    whoami.set_defaults(run=_whoami)


def _login(arguments: argparse.Namespace) -> int:
    url = service_url(arguments)
    _check_options(arguments)
    if arguments.token_stdin:
        token = sys.stdin.readline().strip()
        if not token:
            raise SubmissionError("no token came on standard input")
        client = Client(url, token)
    else:
        client = Client(url)
        username, password = _ask(arguments.username, url)
        token = _sign_in(client, username, password, arguments)
    me = client.me()
    if "admin" in (arguments.scope or ()) and not me.is_staff:
        print(
            f"touchstone: {me.username} is no administrator: the scope admin is of use for teams",
            file=sys.stderr,
        )
    path = write_login(Login(url=url, token=token))
    remember_all(client)
    if arguments.json:
        print(json.dumps(me.raw, indent=2))
    else:
        print(f"Signed in to {url} as {me.username}; the token is in {path}")
    if os.environ.get(TOKEN_VARIABLE):
        print(f"touchstone: {TOKEN_VARIABLE} is set and wins over it", file=sys.stderr)
    return ExitCode.OK


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise SubmissionError before any token is made that would be of no use here."""
    if arguments.token_stdin:
        given = ("username", "name", "days", "scope")
        ignored = [f"--{name}" for name in given if getattr(arguments, name) is not None]
        if ignored:
            raise SubmissionError(f"{', '.join(ignored)}: of a new token; --token-stdin brings one")
        return
    if arguments.scope is not None and "read" not in arguments.scope:
        asked = " ".join(f"--scope {scope}" for scope in dict.fromkeys(arguments.scope))
        raise SubmissionError(
            f"a token needs the scope read as well: touchstone login --scope read {asked}"
        )


def _sign_in(client: Client, username: str, password: str, arguments: argparse.Namespace) -> str:
    """The new token. Where the account has two-factor sign-in, its code is asked for too."""

    def sign_in(code: str | None = None) -> str:
        return client.sign_in(
            username,
            password,
            name=arguments.name or f"touchstone on {socket.gethostname()}"[:100],
            code=code,
            expires_in_days=_DAYS if arguments.days is None else arguments.days,
            scopes=arguments.scope,
        ).token

    try:
        return sign_in()
    except NotAuthenticated as refusal:
        if not refusal.problem.type.endswith(":second_factor_required"):
            raise
    print(
        "Code of your authenticator app, or a recovery code: ", end="", file=sys.stderr, flush=True
    )
    return sign_in(input().strip())


def _ask(username: str | None, url: str) -> tuple[str, str]:
    """The password is never taken from the command line, where others could see it."""
    if not sys.stdin.isatty():
        raise SubmissionError(
            "there is no terminal to ask for a password at: make a token on your account's page "
            f"and pass it with --token-stdin, or set {TOKEN_VARIABLE}"
        )
    if not username:
        print(f"Username at {url}: ", end="", file=sys.stderr, flush=True)
        username = input()
    return username, getpass.getpass("Password: ")


def _logout(arguments: argparse.Namespace) -> int:
    login = read_login()
    if not login.token:
        print("You were not signed in.")
        return ExitCode.OK
    client = Client(login.url, login.token)
    # Forgotten here first: whatever the service answers, this machine has no token any more.
    write_login(Login(url=login.url))
    forget()
    try:
        token = client.me().token
        if token is not None:
            client.revoke_token(token.hint)
    except ClientError as error:
        print(
            "touchstone: the token is forgotten here, but not revoked by the service: "
            f"{describe_error(error)}",
            file=sys.stderr,
        )
        return exit_code_of_error(error)
    print(f"Signed out of {login.url}; the token is revoked.")
    return ExitCode.OK


def _whoami(arguments: argparse.Namespace) -> int:
    client = connect(arguments)
    me, quota = client.me(), client.quota()
    if arguments.json:
        print(json.dumps({**me.raw, "url": client.url, "quota": quota.raw}, indent=2))
        return ExitCode.OK
    print(f"{me.username}{' (staff)' if me.is_staff else ''} at {client.url}")
    if me.token is not None:
        until = f", until {me.token.expires_at:%Y-%m-%d}" if me.token.expires_at else ""
        scopes = f", for {', '.join(me.token.scopes)}" if me.token.scopes else ""
        print(f"token {me.token.hint}... ({me.token.name}){scopes}{until}")
    print(_format_quota(quota))
    return ExitCode.OK


_SPANS = {
    "per_day": "evaluations left today",
    "per_month": "evaluations left this month",
    "concurrent": "evaluations left at the same time",
    "worker_seconds_per_day": "hours of workers left today",
    "worker_seconds_per_week": "hours of workers left this week",
    "stored_MiB": "MiB left for files",
}


def _format_quota(quota: Quota) -> str:
    if quota.is_unlimited:
        return "quota: none is counted"
    return "\n".join(map(_format_allowance, quota.limits))


def _format_allowance(allowance: Allowance) -> str:
    per = 3600 if allowance.unit == "worker-seconds" else 1
    what = _SPANS.get(allowance.name, f"{allowance.name.replace('_', ' ')} left")
    left, of = (_number(n / per) for n in (allowance.remaining, allowance.limit))
    return f"quota: {left} of {of} {what}"


def _number(value: float) -> str:
    """With one decimal at most, and never as a power of ten.

    >>> _number(100_000), _number(47.96)
    ('100,000', '48')
    """
    return f"{value:,.1f}".removesuffix(".0")
