"""Why an evaluation waits, in a sentence for whoever looks at it."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from evaluator.catalog import CALCULATOR_KINDS, CalculatorKind
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Worker
from leaderboard.services.evaluations import fair_share
from leaderboard.services.evaluations.deafness import deaf_workers
from leaderboard.services.evaluations.workers import UNCONFINED, live_workers, may_take


def waiting_reason(evaluation: Evaluation) -> str:
    """Why a queued evaluation is not running; empty when it is not queued."""
    if evaluation.state != EvaluationState.QUEUED:
        return ""
    if evaluation.held_by_id is not None:
        return "It waits for the smoke task, which runs first, to succeed."
    if evaluation.not_before is not None and evaluation.not_before > timezone.now():
        again = f"It is tried again at {evaluation.not_before:%H:%M:%S} UTC."
        return f"{again} {evaluation.message}".strip()  # a hidden set's message is withheld
    workers = live_workers()
    if not workers:
        return "No worker is running. It starts as soon as one does."
    kind = CALCULATOR_KINDS[evaluation.submission.calculator_kind]
    able = [w for w in workers if kind.is_built_in or w.sandbox_level != UNCONFINED]
    if not able:
        return "No running worker has a sandbox, so potentials from outside wait."
    offering = [w for w in able if may_take(w, kind.name)]
    if not offering:
        return _lacking_runtime(able, kind)
    if fair_share.is_blocked(evaluation):
        return "One smoke test of an account or team runs at a time: it waits for that one to end."
    # Of the able ones alone: what a lost worker ran, or a slot that may not take it, says nothing.
    running = Evaluation.objects.filter(state=EvaluationState.RUNNING, worker__in=offering).count()
    if running >= sum(worker.n_slots for worker in offering):
        return "All workers that may take it are busy. It waits for its turn."
    return _deafness(offering) or "It waits for its turn."


def _lacking_runtime(workers: Sequence[Worker], kind: CalculatorKind) -> str:
    """Why no worker takes a kind though a sandbox is there: its runtime is not ready anywhere."""
    offers = [
        runtime
        for worker in workers
        for runtime in (worker.runtimes or {}).values()
        if kind.name in runtime["kinds"]
    ]
    states = {str(runtime["state"]) for runtime in offers}
    if states & {"building", "absent"}:
        return (
            f"The environment that a {kind.label} runs in is not ready on a worker yet. A worker "
            "builds and verifies it; this takes some minutes, once."
        )
    if states:
        return (
            f"The environment that a {kind.label} runs in cannot be used on any worker now: it "
            "could not be built, or did not answer as it must. An administrator must look at it."
        )
    return (
        f"No running worker serves potentials of the kind {kind.name} ({kind.label}). It waits "
        "for one that does."
    )


def _deafness(able: Sequence[Worker]) -> str:
    """What to say where workers that might take it are deaf; empty where none is."""
    n_deaf = len(deaf_workers(able))
    if n_deaf == 0:
        return ""
    who = "A worker is" if n_deaf == 1 else f"{n_deaf} workers are"
    return (
        f"{who} online and free ({n_deaf} of {len(able)} that may take it) without hearing that "
        "work is due. Such a worker starts anew by itself; where that does not help, an "
        "administrator must restart it."
    )
