"""``touchstone runtime``: the environments that calculators run in, built on this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluator.cli.building import showing
from evaluator.cli.devices import add_device_argument
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.suggestions import did_you_mean
from evaluator.driver.known_answers import Verification, verify, write_answers
from evaluator.exceptions import SubmissionError
from evaluator.runtimes.build import build, find
from evaluator.runtimes.definitions import RuntimeDefinition, known_definitions
from evaluator.runtimes.locking import write_lock
from evaluator.runtimes.locks import CPU, Lock
from evaluator.runtimes.own import OwnBuild, build_own, remove_older
from evaluator.runtimes.own_locks import OwnLimits, read_own_lock
from evaluator.runtimes.own_names import own_name
from evaluator.runtimes.recipes import Recipe, variant_for
from evaluator.runtimes.store import RUNTIMES_VARIABLE, Runtime, RuntimeStore, disk_bytes
from evaluator.sandbox.find import find_sandbox

_SHORT = 12


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "runtime",
        help="build, list, verify and remove the environments that calculators run in",
        description="A runtime is a locked Python environment in which one family of potentials "
        f"runs. They are kept in the folder {RUNTIMES_VARIABLE}, else below TOUCHSTONE_DATA_DIR.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    building = actions.add_parser("build", help="build what is not built yet, from wheels alone")
    building.add_argument("names", metavar="NAME", nargs="*")
    building.add_argument("--all", action="store_true", help="all that ship")
    building.add_argument(
        "--lock", type=Path, metavar="FILE", help="the runtime of a lock that a submission brings"
    )
    building.add_argument("--again", action="store_true", help="also what is there")
    _add_variant(building)
    building.set_defaults(run=_build)

    listing = actions.add_parser("list", help="list those that ship and those that are built")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_list)

    verifying = actions.add_parser(
        "verify", help="ask what is known of a runtime, in the sandbox, and compare the answers"
    )
    verifying.add_argument("names", metavar="NAME", nargs="*", help="default: all that are built")
    add_device_argument(verifying)
    verifying.add_argument("--json", action="store_true", help="print JSON, a line for each")
    verifying.add_argument(
        "--write",
        action="store_true",
        help="write the answers as those that are known from now on (for who maintains a runtime)",
    )
    verifying.set_defaults(run=_verify)

    locking = actions.add_parser(
        "lock", help="resolve a runtime's requirements anew and write its lock"
    )
    locking.add_argument("names", metavar="NAME", nargs="+")
    _add_variant(locking)
    locking.set_defaults(run=_lock)

    removing = actions.add_parser("remove", help="remove what was built of these")
    removing.add_argument("names", metavar="NAME", nargs="*")
    removing.add_argument(
        "--unused",
        type=int,
        metavar="DAYS",
        help="those of submissions in which nothing has run for so long",
    )
    removing.add_argument(
        "--old", action="store_true", help="only what this version would not build again"
    )
    removing.set_defaults(run=_remove)


def _add_variant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--variant", default=CPU, metavar="CLASS", help="class of devices: cpu (default), cu130"
    )


def _build(arguments: argparse.Namespace) -> int:
    store = RuntimeStore()
    names = list(known_definitions()) if arguments.all else arguments.names
    if arguments.lock is not None:
        return _build_own(arguments.lock, store)
    if not names:
        raise SubmissionError("name the runtimes to be built, or say --all")
    for definition in _definitions(names):
        recipe = Recipe.of(definition, arguments.variant)
        was_there = store.find(recipe.name, recipe.digest) is not None and not arguments.again
        with showing(definition.name) as show:
            runtime = build(recipe, store, progress=show, is_forced=arguments.again)
        took = "was there" if was_there else f"built in {runtime.build_time_s:.0f} s"
        print(f"{runtime.name} {runtime.digest[:_SHORT]} {took}, {_size(runtime.n_bytes)}")
    return ExitCode.OK


def _build_own(path: Path, store: RuntimeStore) -> int:
    """Build what the lock of a submission asks for, as a worker does."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{path} cannot be read: {error}") from error
    limits = OwnLimits()
    lock = read_own_lock(text, limits)
    with showing(own_name(lock.sha256)) as show:
        runtime = build_own(lock, store, OwnBuild(limits=limits, progress=show))
    print(f"{runtime.name} {runtime.digest[:_SHORT]} {_size(runtime.n_bytes)}")
    return ExitCode.OK


def _list(arguments: argparse.Namespace) -> int:
    store = RuntimeStore()
    built = store.built()
    current = {name: find(d, store) for name, d in known_definitions().items() if d.variants}
    if arguments.json:
        print(json.dumps([runtime.manifest() for runtime in built], indent=2))
        return ExitCode.OK
    for name, definition in known_definitions().items():
        now = current.get(name)
        print(f"{name:12} {definition.label}: {', '.join(definition.kinds)}")
        for runtime in (r for r in built if r.name == name):
            is_old = now is None or runtime.digest != now.digest
            print(f"{'':12} {_line(runtime)}{' (of an older version)' if is_old else ''}")
        if now is None:
            print(f"{'':12} not built: touchstone runtime build {name}")
    for runtime in (r for r in built if r.name not in known_definitions()):
        print(f"{runtime.name:12} {_line(runtime)}")
    print(f"\n{store.root}: {_size(disk_bytes(store.root))} on the disk, with uv's cache")
    return ExitCode.OK


def _verify(arguments: argparse.Namespace) -> int:
    store, sandbox = RuntimeStore(), find_sandbox()
    names = arguments.names or sorted({r.name for r in store.built()} & known_definitions().keys())
    if not names:
        raise SubmissionError("no runtime is built yet: touchstone runtime build NAME")
    code = ExitCode.OK
    for definition in _definitions(names):
        recipe = Recipe.of(definition, variant_for(definition, arguments.device))
        with showing(definition.name) as show:
            runtime = build(recipe, store, progress=show)
        if arguments.write:
            write_answers(definition, runtime, sandbox)
        verification = verify(definition, runtime, sandbox, arguments.device)
        if not verification.is_well:
            code = ExitCode.INFRASTRUCTURE_ERROR
        _show(verification, as_json=arguments.json)
    return code


def _show(verification: Verification, *, as_json: bool) -> None:
    runtime = verification.runtime
    if as_json:
        print(json.dumps({**runtime.described(), **verification.to_json()}), flush=True)
        return
    words = "answers as it must" if verification.is_well else "does NOT answer as it must"
    print(f"{runtime.name} {runtime.digest[:_SHORT]} {words} on {verification.device}")
    for answer in verification.answers:
        said = answer.fault
        if answer.energy_error is not None and not said:
            errors = f"{answer.energy_error:.1e} eV/atom, {answer.force_error:.1e} eV/Å off"
            said = f"{answer.artifact}: {errors}"
        print(f"{'':12} {said}, loaded in {answer.load_time_s:.1f} s")


def _line(runtime: Runtime) -> str:
    return (
        f"{runtime.digest[:_SHORT]} Python {runtime.interpreter.version}, {runtime.variant}, "
        f"{len(runtime.packages)} packages, {_size(runtime.n_bytes)}, {runtime.built_at}, "
        f"last used {datetime.fromtimestamp(runtime.last_used_at, UTC):%Y-%m-%d}"
    )


def _lock(arguments: argparse.Namespace) -> int:
    store = RuntimeStore()
    for definition in _definitions(arguments.names):
        path = write_lock(definition, arguments.variant, store.uv_cache)
        print(f"{path}: {len(Lock.read(path).packages)} packages")
    return ExitCode.OK


def _remove(arguments: argparse.Namespace) -> int:
    store = RuntimeStore()
    if arguments.unused is not None:
        for runtime in remove_older(store, arguments.unused * 86_400.0):
            print(f"{runtime.name} {runtime.digest[:_SHORT]} removed")
    elif not arguments.names:
        raise SubmissionError("name the runtimes to be removed, or say --unused DAYS")
    for name in arguments.names:
        runtimes = store.built(name)
        if not runtimes and name not in known_definitions():
            raise SubmissionError(f"there is no runtime {name!r}")
        if arguments.old and name in known_definitions():
            now = find(known_definitions()[name], store)
            runtimes = [r for r in runtimes if now is None or r.digest != now.digest]
        for runtime in runtimes:
            store.remove(runtime.name, runtime.digest)
            print(f"{runtime.name} {runtime.digest[:_SHORT]} removed")
    return ExitCode.OK


def _definitions(names: Sequence[str]) -> list[RuntimeDefinition]:
    known = known_definitions()
    unknown = [name for name in names if name not in known]
    if unknown:
        hint = did_you_mean(unknown[0], known)
        raise SubmissionError(f"there is no runtime {unknown[0]!r}: {hint}")
    return [known[name] for name in dict.fromkeys(names)]


def _size(n_bytes: int) -> str:
    if n_bytes >= 1 << 30:
        return f"{n_bytes / (1 << 30):.1f} GiB"
    return f"{n_bytes / (1 << 20):.0f} MiB"
