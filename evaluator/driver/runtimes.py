"""Which runtimes an evaluation needs: by the calculator kinds that take part in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from evaluator import catalog
from evaluator.contract import SubmissionSpec, TaskSpec
from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.build import ShowProgress, build
from evaluator.runtimes.definitions import RuntimeDefinition, serving
from evaluator.runtimes.recipes import Recipe, variant_for
from evaluator.runtimes.store import Runtime, RuntimeStore

#: Runtimes by the calculator kinds that they serve.
Runtimes = Mapping[str, Runtime]
#: What the overhead of the sandbox is timed with.
NULL_KIND = "dummy"


def kinds_needed(task: TaskSpec, submission: SubmissionSpec) -> tuple[str, ...]:
    """Calculator kinds that are started: the submission's, and those that a timing compares."""
    kinds = [submission.calculator_kind]
    protocol = catalog.PROTOCOLS.get(task.protocol)
    if protocol is not None and protocol.is_timed:
        parameters = catalog.check_parameters(protocol.parameters, task.parameters)
        kinds += [NULL_KIND, str(parameters["reference_potential"]).partition(":")[0]]
    return tuple(dict.fromkeys(kind for kind in kinds if kind in catalog.CALCULATOR_KINDS))


def runtimes_for(
    task: TaskSpec,
    submission: SubmissionSpec,
    device: str,
    *,
    store: RuntimeStore | None = None,
    progress: Callable[[RuntimeDefinition], ShowProgress] = lambda definition: lambda step: None,
    own: Runtime | None = None,
) -> dict[str, Runtime]:
    """The runtimes that an evaluation needs, built where they are not there yet.

    ``progress`` is asked for each that is built; ``own`` is the submission's, where it brings one,
    and serves nothing else. Raises InfrastructureError where one cannot be.
    """
    store = store or RuntimeStore()
    runtimes: dict[str, Runtime] = {}
    for kind in kinds_needed(task, submission):
        if own is not None and kind == submission.calculator_kind:
            runtimes[kind] = own
            continue
        definition = serving(kind)
        recipe = Recipe.of(definition, variant_for(definition, device))
        there = store.find(recipe.name, recipe.digest)
        runtimes[kind] = there or build(recipe, store, progress=progress(definition))
    return runtimes


def runtime_of(runtimes: Runtimes | None, kind: str) -> Runtime | None:
    """The runtime of one kind; None where all run in the environment of this process.

    Raises InfrastructureError where runtimes were given and none of them serves the kind.
    """
    if runtimes is None:
        return None
    if kind not in runtimes:
        raise InfrastructureError(f"No runtime that serves calculators of kind {kind} was given.")
    return runtimes[kind]
