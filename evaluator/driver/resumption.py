"""What earlier attempts at an evaluation had finished, and what this one finishes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from evaluator.driver.finished import FinishedSystem
from evaluator.driver.trials import Trial
from evaluator.pool.pool import PoolPlan

#: Takes what has finished since the last call.
Keep = Callable[[Sequence[FinishedSystem]], None]

#: What of a pool's plan decides the last digits.
SERVING = ("n_threads", "max_batch", "max_batch_atoms")

_HAND_OVER_EVERY_S = 1.0


class Resumption:
    """Puts finished systems back into their trials, and hands over new ones in batches.

    All methods belong to the driver's thread, but for ``add``.
    """

    def __init__(
        self, finished: Mapping[str, FinishedSystem], keep: Keep | None, *, can_resume: bool
    ) -> None:
        self._finished = finished if can_resume else {}
        self._keep = keep if can_resume else None
        self._new: SimpleQueue[tuple[Trial, float]] = SimpleQueue()
        self._handed_over_at = time.monotonic()
        self._conditions = ""
        self._serving: dict[str, int] = {}
        self._origins: Counter[str] = Counter()
        self._n_other_conditions = 0
        #: Of the systems that were put back.
        self.n_calls = 0
        #: Simulating time of the earlier attempts; it counts towards the task's wall time.
        self.elapsed_s = 0.0

    def plan(self, plan: PoolPlan, n_cores: int) -> PoolPlan:
        """The plan, with threads and batches as the last attempt had them, unless they were given.

        Numbers depend on them in their last digits, and measuring anew might find others.
        """
        if plan.origin != "rule" or not self._finished:
            return plan
        serving = max(self._finished.values(), key=lambda found: found.elapsed_s).serving
        n_processes = min(plan.n_processes, max(1, n_cores // serving["n_threads"]))
        return replace(
            plan,
            n_processes=n_processes,
            n_threads=serving["n_threads"],
            max_batch=serving["max_batch"],
            max_batch_atoms=serving["max_batch_atoms"],
            origin="resumed",
        )

    def restore(self, trials: Sequence[Trial], conditions: str, plan: PoolPlan) -> None:
        """Set those trials that an earlier attempt finished under the very same conditions."""
        self._conditions = conditions
        self._serving = {name: getattr(plan, name) for name in SERVING}
        for trial in trials:
            finished = self._finished.get(trial.system.id)
            if finished is None or trial.status is not None:
                continue
            if finished.conditions != conditions:
                self._n_other_conditions += 1
                continue
            trial.restore(finished)
            self._origins[finished.origin] += 1
            self.n_calls += finished.n_calls
            self.elapsed_s = max(self.elapsed_s, finished.elapsed_s)

    def add(self, trial: Trial, elapsed_s: float) -> None:
        """Note that a trial has finished, ``elapsed_s`` after this attempt began to simulate."""
        if self._keep is not None:
            self._new.put((trial, elapsed_s))

    def hand_over(self, *, at_once: bool = False) -> None:
        """Give what is new to whoever keeps it, unless that was done a moment ago."""
        now = time.monotonic()
        if self._keep is None or (not at_once and now - self._handed_over_at < _HAND_OVER_EVERY_S):
            return
        self._handed_over_at = now
        batch = []
        while True:
            try:
                trial, elapsed_s = self._new.get_nowait()
            except Empty:
                break
            batch.append(
                trial.finished(self._conditions, self.elapsed_s + elapsed_s, self._serving)
            )
        if batch:
            self._keep(batch)

    def describe(self) -> dict[str, Any]:
        """Describe the resumption for the provenance.

        Empty where nothing came from an earlier attempt.
        """
        if not self._finished:
            return {}
        described = {
            "n_systems": self._origins.total(),
            "n_calls": self.n_calls,
            "simulating_s": round(self.elapsed_s, 3),
            "from": dict(sorted(self._origins.items())),
            "n_repeated": self._n_other_conditions,
        }
        if self._n_other_conditions:
            described["message"] = (
                f"{self._n_other_conditions} finished systems were repeated: they had been found "
                "with another device, precision, runtime, version or thread count."
            )
        return {"resumed": described}
