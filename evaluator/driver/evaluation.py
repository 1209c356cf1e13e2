"""The trusted driver: one submission on one task, from bytes to a report.

The protocol, the clock, the reference and the metrics run here; only the calculator runs in the
sandbox. A fault of the submission always ends in a report with its verdict. InfrastructureError is
raised for our own faults; a bug in a protocol is one of them, and is logged whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from evaluator import frames
from evaluator.contract import (
    INFRASTRUCTURE_VERDICTS,
    EvaluationReport,
    Phase,
    Progress,
    SubmissionSpec,
    SystemStatus,
    TaskSpec,
    Verdict,
)
from evaluator.driver import probes, provenance, timed
from evaluator.driver.breakdowns import is_of_the_numbers, log_breakdown
from evaluator.driver.calibration import calibrate
from evaluator.driver.consistency import check_consistency
from evaluator.driver.finished import FinishedSystem
from evaluator.driver.output_files import StoreFile, hand_over
from evaluator.driver.plans import plan_of
from evaluator.driver.preparation import Prepared, Refused, prepare
from evaluator.driver.resumption import Keep, Resumption
from evaluator.driver.runtimes import Runtimes, runtime_of
from evaluator.driver.timed_answers import TimedAnswers
from evaluator.driver.trials import (
    Trial,
    fault_of_ours,
    files_of,
    judge_together,
    records_of,
    unsupported_elements,
)
from evaluator.exceptions import InfrastructureError
from evaluator.host import device_state, machine
from evaluator.host.device_lock import DeviceLock, device_lock
from evaluator.plain import plain
from evaluator.pool.pool import CalculatorPool, PoolPlan, Session, run_side_by_side
from evaluator.protocols.base import System
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.session import CalculatorFailure, CalculatorRequest, CalculatorSession
from evaluator.scoring import score
from evaluator.standard_tasks.read import SMOKE_TASK
from evaluator.wire import CHANGED_ATOMS, Info

logger = logging.getLogger(__name__)

_POLL_S = 0.2
#: Importing torch from a cold disk takes longer than any force call should.
_LOAD_TIMEOUT_S = 120.0
#: The time left is told once this many systems, and this share of them, are done.
_ESTIMATE_FROM_N = 5
_ESTIMATE_FROM_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class _Hooks:
    """What the caller is told and asked; see ``evaluate``."""

    progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    store_file: StoreFile

    def wait(self, phases: list[Phase]) -> None:
        """While others have the device; told once. Raises Refused when it is time to stop."""
        if not phases:
            self.progress(Progress(phase=Phase.WAITING))
            phases.append(Phase.WAITING)
        if self.should_stop():
            raise Refused(Verdict.CANCELLED, "The evaluation was cancelled.")


def evaluate(
    task: TaskSpec,
    submission: SubmissionSpec,
    artifact: Path,
    reference: Path,
    *,
    sandbox: Sandbox,
    runtimes: Runtimes | None = None,
    device: str = "cpu",
    plan: PoolPlan | None = None,
    only: Collection[str] | None = None,
    lock: DeviceLock = device_lock,
    progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    store_file: StoreFile = lambda record, content: None,
    finished: Mapping[str, FinishedSystem] | None = None,
    keep_finished: Keep | None = None,
) -> EvaluationReport:
    """Evaluate a submission on a task.

    Parameters
    ----------
    artifact, reference
        Files with the sha256 that the specifications name; checked before use.
    runtimes
        The environments of calculators by kind (``driver.runtimes.runtimes_for``); None for the
        environment of this process.
    plan
        How the force calls are served; by default decided from the device and the cores.
    only
        Names of the systems to be judged; the scores are then not the task's.
    lock
        How the device is held while it is used; see ``host.device_lock``.
    progress
        Called in this thread, several times a second while something moves.
    should_stop
        Polled in this thread several times a second; when true, the verdict is "cancelled".
    store_file
        Called in this thread, before the report is returned, with each output file to be kept.
    finished
        Systems that an earlier attempt at the same evaluation has finished, by name. Those found
        under the same conditions are not repeated; the numbers are those of one attempt.
    keep_finished
        Called in this thread, about once a second, with the systems that have finished since.

    Raises
    ------
    InfrastructureError
        For what is no fault of the submission; nothing was scored and it may be tried again.
    """
    started = time.monotonic()
    hooks = _Hooks(progress=progress, should_stop=should_stop, store_file=store_file)
    try:
        prepared = prepare(task, submission, artifact, reference, only)
        resumption = Resumption(
            finished or {}, keep_finished, can_resume=prepared.protocol.can_resume
        )
        plan = resumption.plan(plan_of(prepared, plan, device), machine.n_cores())
        # Others may be at work on this host, but none beside one that times. The wait is not
        # the submission's: its wall time begins here.
        with lock(
            is_exclusive=prepared.description.is_timed, while_waiting=partial(hooks.wait, [])
        ) as waited_s:
            evaluation = _Evaluation(
                prepared,
                _Place(sandbox, runtimes, device),
                plan,
                hooks,
                resumption,
                time.monotonic(),
            )
            evaluation.timings["waiting_s"] = waited_s
            # Threads of BLAS that spin on the trusted side take the cores from the calculators.
            with threadpool_limits(limits=1):
                return evaluation.run()
    except Refused as refused:
        return EvaluationReport(
            verdict=refused.verdict,
            message=refused.message,
            wall_time_s=time.monotonic() - started,
        )
    except InfrastructureError:
        raise
    except Exception as error:
        logger.exception("Evaluating %s on %s failed.", submission.name, task.slug)
        raise InfrastructureError(
            f"Internal error while evaluating {task.slug}: {type(error).__name__}: {error}"
        ) from error


def _remaining(n_done: int, n_all: int, elapsed_s: float) -> float | None:
    """Seconds until the last system is done, if those to come take as long as those done."""
    if n_done < max(_ESTIMATE_FROM_N, _ESTIMATE_FROM_SHARE * n_all):
        return None
    return elapsed_s * (n_all - n_done) / n_done


def _elements_of(systems: Sequence[System]) -> tuple[str, ...]:
    """By what a reader picks systems; a field of the report."""
    symbols = (sorted(set(system.atoms.get_chemical_symbols())) for system in systems)
    return tuple("-".join(elements) for elements in symbols)


@dataclass(frozen=True)
class _Place:
    """Where calculators run."""

    sandbox: Sandbox
    runtimes: Runtimes | None
    device: str


class _Evaluation:
    """The course of one evaluation; its steps leave what they found in the attributes."""

    def __init__(
        self,
        prepared: Prepared,
        place: _Place,
        plan: PoolPlan,
        hooks: _Hooks,
        resumption: Resumption,
        started: float,
    ) -> None:
        self.prepared, self.plan = prepared, plan
        self.sandbox, self.device, self.runtimes = place.sandbox, place.device, place.runtimes
        self.runtime = runtime_of(place.runtimes, prepared.submission.calculator_kind)
        self.hooks, self.resumption = hooks, resumption
        self.started = started
        self.deadline = started + prepared.task.limits.wall_time_s
        self.timings: dict[str, float] = {}
        self.calls: dict[str, Any] = {}
        self.consistency: dict[str, Any] = {}
        self.timed_answers = TimedAnswers()
        #: Of a timed protocol: on what, and under which conditions.
        self.hardware_key, self.conditions = "", dict[str, Any]()
        self.info: Info | None = None
        self.trials = [Trial(system) for system in prepared.systems]
        self.pool = CalculatorPool(
            self._start_session, plan, call_timeout_s=prepared.task.limits.call_timeout_s
        )
        self._last_progress: Progress | None = None
        self._n_calls_before = 0  # answered before the present phase

    def run(self) -> EvaluationReport:
        """Load, simulate, check and score, as far as it goes."""
        try:
            with self.pool:
                self._load()
                if not self.prepared.description.is_timed:
                    self._calibrate()
                    self._simulate()
                self._check_consistency()
            if self.prepared.description.is_timed:
                self._measure()  # after the pool has ended: nothing else may be at work
            self._refuse_what_was_never_answered()
            self._refuse_what_is_no_potential()
        except Refused as refused:
            return self._report(refused.verdict, refused.message)
        except CalculatorFailure as failure:
            if failure.verdict in INFRASTRUCTURE_VERDICTS:
                raise InfrastructureError(failure.message) from failure
            return self._report(failure.verdict, failure.message)
        return self._scored_report()

    # ------------------------------------------------------------------------------------- steps

    def _start_session(
        self, register: Callable[[Session], None], n_threads: int | None = None
    ) -> Session:
        prepared = self.prepared
        limits = prepared.task.limits
        return CalculatorSession.start(
            self.sandbox,
            CalculatorRequest(
                kind=prepared.submission.calculator_kind,
                artifact=prepared.artifact,
                settings=prepared.settings,
                dtype=prepared.dtype,
                device=self.device,
                n_threads=n_threads or self.plan.n_threads,
                limits=limits,
                runtime=self.runtime,
                load_timeout_s=max(limits.call_timeout_s, _LOAD_TIMEOUT_S),
            ),
            register,
        )

    def _load(self) -> None:
        n_loaded = 0
        while n_loaded < self.plan.n_processes:
            self._watch(Phase.LOADING, self.plan.n_processes, n_loaded)
            n_loaded = self.pool.wait_until_loaded(_POLL_S)
        self.info = self.pool.infos[0]
        self.timings["loading_s"] = time.monotonic() - self.started

        for trial in self.trials:
            unknown = unsupported_elements(trial.system, self.prepared.submission, self.info)
            if unknown:
                trial.set_unsupported(unknown)
        if all(trial.is_unsupported for trial in self.trials):
            raise Refused(
                Verdict.UNSUPPORTED,
                "The potential supports the elements of none of this task's systems.",
            )

    def _calibrate(self) -> None:
        """Measure how the calls are served best, where that is worth it and nobody has said."""
        if self.plan.origin != "rule":
            return
        started = time.monotonic()
        assert self.info is not None  # noqa: S101  (set by _load)
        self.plan = calibrate(
            self.pool,
            self.prepared,
            [trial.system for trial in self.trials if not trial.is_unsupported],
            properties=self.info.properties,
            device=self.device,
            start=lambda n_threads, register: self._start_session(register, n_threads),
            watch=partial(self._watch, Phase.LOADING, self.plan.n_processes, self.plan.n_processes),
        )
        self.timings["calibrating_s"] = time.monotonic() - started

    def _simulate(self) -> None:
        started = time.monotonic()
        assert self.info is not None  # noqa: S101  (set by _load)
        self.resumption.restore(
            self.trials,
            provenance.conditions(self.prepared, self.plan, self.info, self.device, self.runtime),
            self.plan,
        )
        self.deadline -= self.resumption.elapsed_s
        tried = [trial for trial in self.trials if not trial.is_unsupported]
        # The largest first, so that no slot is left alone with one of them in the end.
        untried = sorted(
            (trial for trial in tried if trial.status is None),
            key=lambda trial: -len(trial.system.atoms),
        )
        properties = self.info.properties
        chosen = probes.Probes(
            [trial.system for trial in tried],
            seed=self.prepared.seed("probes"),
            dtype=self.info.dtype,
        )

        def try_one(trial: Trial) -> None:
            trial.run(self.prepared, self.pool.compute, properties, chosen, self.pool.waited_s)
            if trial.unexpected is None:  # else a later attempt tries it again: it may be ours
                self.resumption.add(trial, time.monotonic() - started)

        def watch(n_done: int) -> None:
            self.resumption.hand_over()
            remaining_s = _remaining(n_done, len(untried), time.monotonic() - started)
            n_restored = len(tried) - len(untried)
            self._watch(Phase.SIMULATING, len(tried), n_restored + n_done, remaining_s)

        try:
            watch(0)
            run_side_by_side(
                [partial(try_one, trial) for trial in untried],
                self.pool,
                watch=watch,
                poll_s=_POLL_S,
            )
        finally:
            # Also where the attempt ends here: what has finished is worth keeping.
            self.resumption.hand_over(at_once=True)
        self.timings["simulating_s"] = time.monotonic() - started
        self.calls = self.pool.statistics()
        if (error := fault_of_ours(tried)) is not None:
            raise error

    def _measure(self) -> None:
        """Time all systems by the protocol's own course, in processes of their own."""
        started = time.monotonic()
        tried = [trial for trial in self.trials if not trial.is_unsupported]
        n_steps = timed.n_steps(self.prepared, len(tried))
        results, self.conditions = timed.measure(
            self.prepared,
            [trial.system for trial in tried],
            sandbox=self.sandbox,
            runtimes=self.runtimes,
            device=self.device,
            n_threads=self.plan.n_threads,
            answers=self.timed_answers,
            watch=partial(self._watch, Phase.SIMULATING, n_steps),
        )
        self.consistency |= self.timed_answers.figures()
        for trial, result in zip(tried, results, strict=True):
            trial.take(result)
        self.hardware_key = device_state.hardware_key(self.device, self.plan.n_threads)
        self.timings["simulating_s"] = time.monotonic() - started

    def _check_consistency(self) -> None:
        """Publish what is found; a calculator that ends here has still done the task."""
        started = time.monotonic()
        assert self.info is not None  # noqa: S101  (set by _load)
        systems = [trial.system for trial in self.trials if not trial.is_unsupported]
        self._n_calls_before = self.pool.n_answered
        watch = partial(self._watch, Phase.SCORING, 1)
        measured: dict[str, Any] = {}  # by then, where the checks do not come to their end

        def check() -> None:
            if self.prepared.description.is_timed:
                self.timed_answers.ask_untimed(
                    systems,
                    self.pool.compute,
                    seed=self.prepared.seed("untimed"),
                    rattle_A=self.prepared.parameters["rattle_A"],
                )
            self.consistency = check_consistency(
                systems,
                self.pool.compute,
                offers_stress="stress" in self.info.properties if self.info else False,
                dtype=self.info.dtype if self.info else "",
                seed=self.prepared.seed("consistency"),
                # Of every submission's first task, whose page is where an author looks.
                looks_for_faults=self.prepared.task.slug == SMOKE_TASK,
                hand_over=measured.update,
            )
            if CHANGED_ATOMS in self.pool.output()[1]:
                self.consistency["findings"].append(
                    "It changes the atoms that it is given: the next to use them finds others. "
                    "Work on atoms.copy()."
                )

        broken_off = ""
        try:
            run_side_by_side([check], self.pool, watch=watch, poll_s=_POLL_S)
        except CalculatorFailure as failure:
            broken_off = failure.message
        except Refused as refused:
            if refused.verdict is not Verdict.WALL_TIMEOUT:
                raise
            broken_off = "the wall time was used up."
        except BaseException as error:
            if not is_of_the_numbers(error):
                raise
            log_breakdown("The checks of consistency were broken off.", error)
            broken_off = f"the numbers ended them ({type(error).__name__})."
        if broken_off:
            self.consistency = {**measured, "message": f"The checks were broken off: {broken_off}"}
        self.consistency |= probes.figures(self._findings())
        self.timings["checking_s"] = time.monotonic() - started

    def _refuse_what_was_never_answered(self) -> None:
        tried = [trial for trial in self.trials if not trial.is_unsupported]
        verdict = judge_together(tried)
        if verdict is not Verdict.OK:
            raise Refused(
                verdict,
                f"The calculator failed on every system. On {tried[0].system.id}: "
                f"{tried[0].message}",
            )

    def _refuse_what_is_no_potential(self) -> None:
        why = probes.disqualification(self._findings()) or self.timed_answers.disqualification()
        if why:
            raise Refused(Verdict.INCONSISTENT, why)

    def _findings(self) -> list[probes.Finding]:
        return [finding for trial in self.trials for finding in trial.findings]

    # ---------------------------------------------------------------------------------- watching

    def _watch(
        self, phase: Phase, n_total: int, n_done: int, remaining_s: float | None = None
    ) -> None:
        """Tell the progress; raise Refused when it is time to stop."""
        self._tell(phase, n_done, n_total, remaining_s)
        if self.hooks.should_stop():
            raise Refused(Verdict.CANCELLED, "The evaluation was cancelled.")
        if time.monotonic() > self.deadline:
            limit_s = self.prepared.task.limits.wall_time_s
            raise Refused(
                Verdict.WALL_TIMEOUT,
                f"The evaluation took longer than the {limit_s:g} s that this task allows. Submit "
                "a faster potential, or ask for the task's limit to be raised.",
            )

    def _tell(
        self, phase: Phase, n_done: int, n_total: int, remaining_s: float | None = None
    ) -> None:
        n_calls = self.pool.n_answered - self._n_calls_before
        if phase is Phase.SIMULATING:
            n_calls += self.resumption.n_calls
        progress = Progress(
            phase=phase, n_done=n_done, n_total=n_total, n_calls=n_calls, remaining_s=remaining_s
        )
        # The estimate moves by itself; it is told when something else has moved.
        if self._last_progress is None or replace(progress, remaining_s=None) != replace(
            self._last_progress, remaining_s=None
        ):
            self._last_progress = progress
            self.hooks.progress(progress)

    # --------------------------------------------------------------------------------- reporting

    def _scored_report(self) -> EvaluationReport:
        """Score; numbers that cannot be put together fail their systems, or are the verdict."""
        try:
            return self._score()
        except BaseException as error:
            if not is_of_the_numbers(error):
                raise
            log_breakdown("The scores were broken off.", error)
            first_error = error
        n_failed = sum(trial.status is SystemStatus.FAILED for trial in self.trials)
        self._break_off_what_cannot_be_scored()
        try:
            if sum(trial.status is SystemStatus.FAILED for trial in self.trials) > n_failed:
                return self._score()
        except BaseException as error:
            if not is_of_the_numbers(error):
                raise
            log_breakdown("The scores were broken off again.", error)
        return self._report(
            Verdict.NONFINITE,
            "The answers are finite, but no score can be computed of them "
            f"({type(first_error).__name__}): look for energies, forces or a stress that are far "
            "too large or too small.",
        )

    def _break_off_what_cannot_be_scored(self) -> None:
        """Charge each system whose own numbers, without those of any other, end the scoring."""
        protocol, parameters = self.prepared.protocol, self.prepared.parameters
        for trial in self.trials:
            if trial.outcome is None:
                continue
            try:
                protocol.samples([trial.system], [trial.outcome], parameters)
                protocol.summary([trial.system], [trial.outcome], parameters)
            except BaseException as error:
                if not is_of_the_numbers(error):
                    raise
                trial.break_off(error)

    def _score(self) -> EvaluationReport:
        started = time.monotonic()
        protocol, task = self.prepared.protocol, self.prepared.task
        systems, parameters = self.prepared.systems, self.prepared.parameters
        outcomes = [trial.outcome for trial in self.trials]
        samples, rows = protocol.samples(systems, outcomes, parameters)
        statuses = [trial.status for trial in self.trials if trial.status is not None]
        scores, task_score = score(
            task,
            statuses,
            samples,
            clusters=protocol.clusters(systems),
            uninformed=protocol.uninformed(systems, parameters),
            submission=self.prepared.submission.artifact_sha256,
        )
        for row, skill in zip(rows, task_score.skills, strict=False):  # none where by anchors
            if skill is not None:
                row["skill"] = skill
        self.consistency = {**self.consistency, **protocol.smoothness(outcomes)}
        errors = protocol.frame_errors(systems, outcomes, parameters)
        names = [system.id for system in systems]
        self.timings["scoring_s"] = time.monotonic() - started
        self._tell(Phase.SCORING, 1, 1)
        return self._report(
            Verdict.OK,
            "",
            rows=rows,
            scores=scores,
            task_score=task_score,
            system_elements=_elements_of(systems) if task.is_scored_by_skill else (),
            frame_errors=None if errors is None else frames.packed(errors, names),
            summary=plain(
                {**protocol.summary(systems, outcomes, parameters), **self._timing_summary()}
            ),
        )

    def _timing_summary(self) -> dict[str, Any]:
        """Summarise a timed protocol: what readers of its numbers must know at once."""
        if not self.conditions:
            return {}
        return {
            "hardware": self.hardware_key,
            "is_idle": self.conditions["is_idle"] and self.conditions["is_idle_after"],
        }

    def _report(
        self,
        verdict: Verdict,
        message: str,
        rows: Sequence[dict[str, Any]] | None = None,
        **scored: Any,  # noqa: ANN401  (fields of EvaluationReport)
    ) -> EvaluationReport:
        stdout, stderr = self.pool.output()
        n_unsupported = sum(trial.is_unsupported for trial in self.trials)
        return EvaluationReport(
            verdict=verdict,
            message=message,
            systems=records_of(self.trials, self.prepared, rows),
            files=hand_over(files_of(self.trials), self.hooks.store_file),
            coverage=None if self.info is None else 1 - n_unsupported / len(self.trials),
            n_systems=len(self.trials),
            n_failed=sum(trial.has_failed(self.prepared.protocol) for trial in self.trials),
            n_unsupported=n_unsupported,
            hardware_key=self.hardware_key,
            why_unreliable=str(self.conditions.get("why_unreliable", "")),
            consistency=plain(self.consistency),
            provenance={
                **provenance.describe(
                    self.prepared, self.sandbox, self.plan, self.info, self.device, self.runtime
                ),
                **self.resumption.describe(),
                **({"timing": plain(self.conditions)} if self.conditions else {}),
                "calls": self.calls or self.pool.statistics(),
                "timings": {name: round(value, 3) for name, value in self.timings.items()},
            },
            stdout=stdout,
            stderr=stderr,
            wall_time_s=round(time.monotonic() - self.started, 3),
            **scored,
        )
