"""Command line of the demo; ``make demo ARGS="--help"`` shows its options."""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.demo.board import print_boards
from deploy.demo.potentials import MaceTraining, Uploads, left_out, to_submit
from deploy.demo.stack import ROOT, DemoError, Stack, require_free_port
from evaluator.cli.display import Display
from evaluator.client import Client, ClientError, Evaluation

BENCHMARK = "core-small"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='make demo ARGS="..."',
        description="Start the whole service on this machine and evaluate real potentials.",
    )
    parser.add_argument("--port", type=int, default=8430, help="of the site (default 8430)")
    parser.add_argument(
        "--until-done",
        action="store_true",
        help="stop when all evaluations have ended; status 0 unless one ended in a fault of ours",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=ROOT / "var",
        help="where database, artifacts and logs are kept (default var/)",
    )
    parser.add_argument(
        "--only-baselines",
        action="store_true",
        help="submit the classical potentials and the dummy alone: a trial of a few minutes",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        dest="is_all",
        help="submit every potential that can be had here: hours on two cores",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        default=[],
        help="submit these alone, parted by commas or spaces: ase:lj,ase:emt",
    )
    arguments = parser.parse_args()
    arguments.only = [name for text in arguments.only for name in _names(text)]
    try:
        arguments.chosen = to_submit(
            arguments.only, is_all=arguments.is_all, only_baselines=arguments.only_baselines
        )
    except DemoError as error:
        parser.error(str(error))
    return arguments


def _names(text: str) -> list[str]:
    """The potentials of one word; a comma before key=value belongs to the name."""
    return [name for name in re.split(r",(?!\w+=)", text) if name]


def _step(text: str) -> Callable[[], None]:
    """Say what is being done; the function returned says how long it took."""
    started = time.monotonic()
    print(f"• {text} ...", end="", flush=True)
    return lambda: print(f" {time.monotonic() - started:.1f} s", flush=True)


def _credentials(data_dir: Path) -> dict[str, dict[str, str]]:
    """Names and passwords of the demo's users, made once and readable by the owner alone."""
    path = data_dir / "users.json"
    if not path.exists():
        users = {
            name: {"username": name, "password": secrets.token_urlsafe(12)}
            for name in ("admin", "alice")
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(users, indent=1))
    credentials: dict[str, dict[str, str]] = json.loads(path.read_text())
    return credentials


def _set_up(stack: Stack) -> dict[str, dict[str, str]]:
    done = _step("Starting PostgreSQL")
    stack.start_database()
    done()

    done = _step("Preparing database and pages")
    stack.manage("migrate", "--no-input")
    stack.manage("build_static")
    users = _credentials(stack.data_dir)
    for name, user in users.items():
        role = ["--staff"] if name == "admin" else []
        stack.environment["TOUCHSTONE_PASSWORD"] = user["password"]
        stack.manage("ensure_user", user["username"], *role)
    del stack.environment["TOUCHSTONE_PASSWORD"]
    done()

    done = _step("Loading the standard tasks")
    report = stack.manage("load_standard")
    done()
    print("".join(f"    {line}\n" for line in report.splitlines() if line.strip()), end="")

    done = _step("Starting worker and web server")
    stack.start_worker()
    stack.start_web()
    done()
    return users


def _follow(
    stack: Stack, administrator: Client, author: Client, uploads: Uploads, training: MaceTraining
) -> list[Evaluation]:
    """Show progress until every evaluation has ended; submit what has become ready."""
    display = Display(sys.stdout)
    while True:
        stack.check_alive()
        uploads.submit_ready(author, administrator)
        training.submit_when_trained(author)
        # Oldest first, so that a line keeps its place.
        evaluations = list(administrator.evaluations())[::-1]
        display.update(evaluations)
        is_pending = uploads.is_pending or training.is_pending
        if not is_pending and all(e.has_ended for e in evaluations):
            return evaluations
        time.sleep(1.0)


def _stay_up() -> None:
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    while not stopped:
        time.sleep(0.5)


def _demo(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    data_dir = arguments.data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    require_free_port(arguments.port)
    os.environ["TOUCHSTONE_DATA_DIR"] = str(data_dir)  # runtimes are kept there, too
    stack = Stack(data_dir=data_dir, port=arguments.port)
    training = MaceTraining(data_dir)
    try:
        users = _set_up(stack)
        client, administrator = Client(stack.url), Client(stack.url)
        client.sign_in(**users["alice"], name="demo", expires_in_days=7)
        # Without the scope, a token has no staff rights, whosever it is.
        scopes = ("read", "submit", "admin")
        administrator.sign_in(**users["admin"], name="demo", expires_in_days=7, scopes=scopes)
        uploads = Uploads(data_dir, arguments.chosen)
        uploads.start()
        is_whole = not arguments.only_baselines and not arguments.only
        if is_whole:
            training.start(stack.environment)

        print(f"\nThe site is at {stack.url}/", flush=True)
        if is_whole and (more := left_out(arguments.chosen)):
            print(f'ARGS="--all" would add {", ".join(more)}.', flush=True)
        print("Evaluations:\n", flush=True)
        evaluations = _follow(stack, administrator, client, uploads, training)
        print_boards(client, BENCHMARK)

        faults = [e for e in evaluations if e.verdict.startswith("infrastructure")]
        for fault in faults:
            print(
                f"Fault of the service: {fault.verdict}: {client.evaluation(fault.id).message}",
                file=sys.stderr,
            )
        print(f"\nComplete after {(time.monotonic() - started) / 60:.1f} min.")
        if not arguments.until_done:
            admin = users["admin"]
            print(
                f"The site: {stack.url}/\n"
                f"The administrator's desk: {stack.url}/admin/ "
                f"(user {admin['username']}, password {admin['password']})\n"
                f"Letters, such as those that confirm an address, are not sent: read them in "
                f"{stack.log_path('web')}\n"
                f"Logs: {data_dir / 'logs'}\nCtrl-C stops everything.",
                flush=True,
            )
            _stay_up()
        return 1 if faults or uploads.failed else 0
    finally:
        training.stop()
        stack.stop()


def main() -> int:
    os.chdir(ROOT)
    # A demo that is told to end must pass through the clean-up, however it is told.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _demo(_arguments())
    except (DemoError, ClientError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except subprocess.TimeoutExpired as error:
        print(f"\n{error.cmd} took longer than {error.timeout:.0f} s", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
