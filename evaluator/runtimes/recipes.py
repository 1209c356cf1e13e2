"""All that a runtime follows from, and the digest that names it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.definitions import RuntimeDefinition
from evaluator.runtimes.interpreters import Interpreter, find_interpreter
from evaluator.runtimes.locks import CPU, CPU_BUILDS, Lock, Pinned

#: Raised whenever the same recipe would be built otherwise.
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One runtime to be built, on this machine's Python."""

    name: str
    label: str
    variant: str
    lock: Lock
    interpreter: Interpreter
    #: Files of ours that run in it, by their paths below the evaluator.
    sources: Mapping[str, Path]
    kinds: tuple[str, ...]
    #: Whether its lock is ours, so that others may take over what was compiled for it.
    is_shipped: bool = False

    @classmethod
    def of(cls, definition: RuntimeDefinition, variant: str = CPU) -> Recipe:
        """The recipe of a runtime that ships. Raises InfrastructureError."""
        path = definition.lock_file(variant)
        if not path.is_file():
            having = ", ".join(definition.variants) or "none"
            raise InfrastructureError(
                f"The runtime {definition.name} has no lock for {variant} (there are: {having}). "
                f"Write one: touchstone runtime lock {definition.name} --variant {variant}"
            )
        return cls(
            name=definition.name,
            label=definition.label,
            variant=variant,
            lock=Lock.read(path),
            interpreter=find_interpreter(definition.python),
            sources=definition.sources(),
            kinds=definition.kinds,
            is_shipped=True,
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the lock, the Python and the source of ours that runs in it."""
        sources = {name: _sha256(path) for name, path in sorted(self.sources.items())}
        return _digest_of({"environment": self.environment, "sources": sources})

    @cached_property
    def environment(self) -> str:
        """SHA-256 over the packages and the Python alone: what has to be installed."""
        return _digest_of(
            {
                "format": _FORMAT,
                "variant": self.variant,
                "lock": self.lock.sha256,
                "python": self.interpreter.version,
                "abi": self.interpreter.abi,
            }
        )

    def installed_lock(self) -> Lock:
        """The lock with the CPU builds named as such, where plain ones are for a GPU.

        So that no index can answer with gigabytes for a GPU before anything is fetched.
        """
        if self.variant != CPU or platform.machine() != "x86_64":
            return self.lock
        return Lock(packages=tuple(map(_cpu_build, self.lock.packages)))


def variant_for(definition: RuntimeDefinition, device: str) -> str:
    """The class of devices that a runtime is built for, to run on a device.

    On a GPU the newest CUDA that it has a lock for; what has none needs no GPU.
    """
    cuda = [variant for variant in definition.variants if variant != CPU]
    return max(cuda, default=CPU) if device.startswith("cuda") else CPU


def _cpu_build(package: Pinned) -> Pinned:
    if package.name not in CPU_BUILDS or "+" in package.version:
        return package
    return replace(package, version=f"{package.version}+cpu")


def _digest_of(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
