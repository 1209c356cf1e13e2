"""Which runtimes a worker offers: it builds what is asked for, verifies it, and says so.

A worker may serve many families and most are never asked for. A runtime is built, where it is not
there, and verified once somebody's submission waits for it, or at once where the operator names it.
Nothing is offered that has not answered as it must since the worker began.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluator.driver.known_answers import verify
from evaluator.exceptions import InfrastructureError
from evaluator.host.device_lock import device_lock
from evaluator.runtimes.brought import plain_words
from evaluator.runtimes.build import build
from evaluator.runtimes.definitions import RuntimeDefinition, definition_of, known_definitions
from evaluator.runtimes.recipes import Recipe, variant_for
from evaluator.runtimes.store import RuntimeStore
from evaluator.sandbox.base import Sandbox

logger = logging.getLogger(__name__)

#: What a worker says of a runtime.
READY, BUILDING, ABSENT, FAULTY = "ready", "building", "absent", "faulty"
#: The setting for all that ship, each built when it is first asked for.
ALL = "all"
#: What needs no package of anybody's family, and serves in every timing.
_FIRST = "classical"
_TRY_AGAIN_S = 600.0
_MAX_MESSAGE_CHARS = 500


@dataclass
class RuntimeOffer:
    """The runtimes of one worker, by name, as it tells the service of them."""

    sandbox: Sandbox
    device: str
    #: Names that it may serve, or "all".
    names: Sequence[str]
    #: Told whenever something changed.
    tell: Callable[[Mapping[str, dict[str, Any]]], None]
    store: RuntimeStore = field(default_factory=RuntimeStore)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    _definitions: dict[str, RuntimeDefinition] = field(default_factory=dict)
    _failed_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for definition in _chosen(self.names):
            kinds = [kind for kind in definition.kinds if self.sandbox.admits(kind)]
            if kinds:
                self._definitions[definition.name] = definition
                self.states[definition.name] = {"state": ABSENT, "kinds": kinds}

    @property
    def is_eager(self) -> bool:
        """Whether all of them are built without being asked for."""
        return ALL not in self.names

    def work(self, wanted_kinds: Collection[str]) -> str | None:
        """Build and verify the one that is most wanted; its name, or None where none is due."""
        name = next(iter(self._due(wanted_kinds)), None)
        if name is None:
            return None
        try:
            self._offer(self._definitions[name])
        except InfrastructureError as error:
            self._give_up(name, str(error))
        except Exception as error:  # a bug in one runtime's files must not keep back the others
            logger.exception("The runtime %s met a bug.", name)
            self._give_up(name, f"Internal error ({type(error).__name__}).")
        return name

    def _due(self, wanted_kinds: Collection[str]) -> Iterable[str]:
        """Names to be built or verified, what somebody waits for first."""
        open_names = [name for name in self.states if self._is_open(name)]
        wanted = [n for n in open_names if set(self.states[n]["kinds"]) & set(wanted_kinds)]
        others = [name for name in open_names if self.is_eager or name == _FIRST]
        return dict.fromkeys((*wanted, *others))

    def _is_open(self, name: str) -> bool:
        state = self.states[name]["state"]
        if state != FAULTY:
            return bool(state == ABSENT)
        return time.monotonic() - self._failed_at[name] > _TRY_AGAIN_S

    def _recipe(self, definition: RuntimeDefinition) -> Recipe:
        return Recipe.of(definition, variant_for(definition, self.device))

    def _offer(self, definition: RuntimeDefinition) -> None:
        self._say(definition.name, BUILDING)
        recipe = self._recipe(definition)
        # Beside other evaluations, and not while something is timed.
        with device_lock(is_exclusive=False, while_waiting=lambda: None):
            runtime = build(recipe, self.store)
            verification = verify(definition, runtime, self.sandbox, self.device)
        if not verification.is_well:
            raise InfrastructureError(" ".join(verification.faults))
        self._say(
            definition.name,
            READY,
            digest=runtime.digest,
            variant=runtime.variant,
            python=runtime.interpreter.version,
            packages=dict(sorted(runtime.packages.items())),
            verification=verification.to_json(),
        )
        logger.info("The runtime %s (%s) is offered.", definition.name, runtime.digest[:12])

    def _give_up(self, name: str, reason: str) -> None:
        logger.error("The runtime %s is not offered: %s", name, reason)
        self._failed_at[name] = time.monotonic()
        # On a public page: without paths of this machine and addresses of its index.
        self._say(name, FAULTY, message=plain_words(reason)[:_MAX_MESSAGE_CHARS])

    def _say(self, name: str, state: str, **more: object) -> None:
        self.states[name] = {"state": state, "kinds": self.states[name]["kinds"], **more}
        self.tell(self.states)


def _chosen(names: Sequence[str]) -> list[RuntimeDefinition]:
    """Raises UnknownRuntime for a name that does not ship."""
    if ALL in names:
        return list(known_definitions().values())
    return [definition_of(name) for name in names]
