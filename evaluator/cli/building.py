"""Builds, where they are first needed, the runtimes of what is evaluated on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tqdm import tqdm

from evaluator.contract import SubmissionSpec, TaskSpec
from evaluator.driver.runtimes import runtimes_for
from evaluator.potentials.names import kind_of_weights
from evaluator.runtimes.build import BuildProgress, ShowProgress, build
from evaluator.runtimes.definitions import RuntimeDefinition, serving
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import Runtime, RuntimeStore


def build_runtimes(task: TaskSpec, submission: SubmissionSpec, device: str) -> dict[str, Runtime]:
    """The runtimes that an evaluation needs; what is built for it is said on standard error."""
    store = RuntimeStore()
    with ExitStack() as bars:

        def progress(definition: RuntimeDefinition) -> ShowProgress:
            _say(definition, store)
            return bars.enter_context(showing(definition.name))

        return runtimes_for(task, submission, device, store=store, progress=progress)


def build_for_weights(name: str) -> None:
    """Build the runtime whose packages bring the weights that a name stands for, if any do."""
    kind = kind_of_weights(name)
    if kind is None:
        return
    definition, store = serving(kind), RuntimeStore()
    recipe = Recipe.of(definition)
    if store.find(recipe.name, recipe.digest) is None:
        _say(definition, store)
        with showing(definition.name) as progress:
            build(recipe, store, progress=progress)


def _say(definition: RuntimeDefinition, store: RuntimeStore) -> None:
    print(
        f"touchstone: the runtime {definition.name} ({definition.label}) is not here yet "
        f"and is built in {store.root}; this is done once",
        file=sys.stderr,
    )


@contextmanager
def showing(name: str) -> Iterator[ShowProgress]:
    """A progress bar on standard error for one build."""
    with tqdm(desc=f"Runtime {name}", leave=False, disable=None, file=sys.stderr) as bar:

        def show(progress: BuildProgress) -> None:
            bar.set_description(f"Runtime {name}: {progress.step}", refresh=False)
            bar.total, bar.n = progress.n_total or None, progress.n_done
            bar.refresh()

        yield show
