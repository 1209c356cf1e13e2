"""Writes the lock of a runtime: resolves its requirements and keeps what was found, with hashes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes import uv
from evaluator.runtimes.definitions import RuntimeDefinition
from evaluator.runtimes.locks import CPU, CPU_BUILDS, Lock, Pinned, normalized

_VARIANT = re.compile(r"cpu|cu\d{2,3}")


def write_lock(definition: RuntimeDefinition, variant: str, cache_folder: Path) -> Path:
    """Resolve a runtime's requirements anew and write its lock; returns the file.

    Raises InfrastructureError where they cannot be met by wheels, or would pull a GPU's packages
    into a runtime for the processor. The lock that is there stays then.
    """
    if not _VARIANT.fullmatch(variant):
        raise InfrastructureError(f"{variant!r} is no class of devices; write cpu, or cu130.")
    lock = resolve(definition, variant, cache_folder)
    if variant == CPU:
        lock.refuse_cuda()
    path = definition.lock_file(variant)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(f"# Written by: touchstone runtime lock {definition.name}\n{lock.text()}")
    partial.replace(path)
    return path


def resolve(definition: RuntimeDefinition, variant: str, cache_folder: Path) -> Lock:
    """Every package of a runtime, with the hashes of all its files."""
    resolved = Lock.parse(_compile(definition, variant, cache_folder))
    return Lock(packages=tuple(_for_all(p, definition, cache_folder) for p in resolved.packages))


def _for_all(package: Pinned, definition: RuntimeDefinition, cache_folder: Path) -> Pinned:
    """The package without a local version, with the hashes of the plain build beside its own.

    The CPU build is a file of some machines' own links, elsewhere of the field's index; where no
    build for the processor alone exists (ARM), the plain one is it.
    """
    if "+" not in package.version:
        return package
    version = package.version.partition("+")[0]
    plain = _plain_hashes(f"{package.name}=={version}", definition, cache_folder)
    hashes = tuple(sorted({*package.hashes, *plain}))
    return replace(package, version=version, hashes=hashes)


def _compile(definition: RuntimeDefinition, variant: str, cache_folder: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="touchstone-lock-") as folder:
        requirements, overrides = Path(folder) / "requirements.in", Path(folder) / "overrides.txt"
        requirements.write_text("\n".join(definition.requirements) + "\n")
        overrides.write_text("\n".join(definition.overrides) + "\n")
        return uv.run(
            [
                *("pip", "compile", str(requirements), "--override", str(overrides)),
                *_options(definition),
                *sources_for(definition.requirements, variant),
            ],
            cache_folder=cache_folder,
        )


def _plain_hashes(
    requirement: str, definition: RuntimeDefinition, cache_folder: Path
) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="touchstone-lock-") as folder:
        file = Path(folder) / "requirements.in"
        file.write_text(requirement + "\n")
        text = uv.run(
            ["pip", "compile", str(file), "--no-deps", *_options(definition)],
            cache_folder=cache_folder,
        )
    return Lock.parse(text).packages[0].hashes


def _options(definition: RuntimeDefinition) -> list[str]:
    return [
        *("--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate"),
        *("--python-version", definition.python.lowest, "--no-python-downloads"),
        # One lock for all versions of Python in the range; for one version it says no more than it
        # must.
        *(() if definition.python.has_one else ("--universal",)),
    ]


def sources_for(requirements: Sequence[str], variant: str) -> list[str]:
    """Where the packages of a runtime come from, as uv is told."""
    if variant != CPU:
        return uv.plain_options()
    return uv.source_options(torch_version=torch_version_of(requirements))


def torch_version_of(requirements: Sequence[str]) -> str | None:
    """The version that torch is pinned to, where it is asked for at all."""
    for requirement in requirements:
        name, _, version = requirement.partition("==")
        if normalized(name) == CPU_BUILDS[0]:
            return version.split(";")[0].strip()
    return None
