"""One system of an evaluation, from untried to its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from evaluator.contract import SubmissionSpec, SystemRecord, SystemStatus, Verdict
from evaluator.driver.breakdowns import is_of_the_numbers, is_panic, log_breakdown
from evaluator.driver.finished import FinishedSystem, normal
from evaluator.driver.preparation import Prepared
from evaluator.driver.probes import Finding, Probes
from evaluator.exceptions import InfrastructureError
from evaluator.plain import plain
from evaluator.pool.remote import Ask, Disguise, ElectronicState, NotAnswered, RemoteCalculator
from evaluator.protocols.base import Outcome, Protocol, System, SystemFailure
from evaluator.sandbox.diagnosis import CalculatorFailure
from evaluator.wire import Info, Status


class Trial:
    """What became of one system. ``status`` is None until it has been tried."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.status: SystemStatus | None = None
        self.message = ""
        self.outcome: Outcome | None = None
        #: How the calculator failed, where it was the calculator and not the physics.
        self.answer_status: Status | None = None
        #: What the protocol raised beside its own failures, unless numbers alone explain it.
        self.unexpected: Exception | None = None
        #: What the probes around its calls showed.
        self.findings: list[Finding] = []
        self.n_calls = 0
        self.wall_time_s = 0.0

    @property
    def is_unsupported(self) -> bool:
        return self.status is SystemStatus.UNSUPPORTED

    def has_failed(self, protocol: Protocol) -> bool:
        """Whether it failed, be it that there is nothing to score or that physics was left."""
        if self.outcome is None:
            return self.status is SystemStatus.FAILED
        return protocol.has_failed(self.outcome)

    def set_unsupported(self, elements: Sequence[str]) -> None:
        self.status = SystemStatus.UNSUPPORTED
        self.message = f"The potential does not support {', '.join(elements)}."

    def run(
        self,
        prepared: Prepared,
        ask: Ask,
        offered: Sequence[str],
        probes: Probes | None = None,
        waited_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Simulate the system with the protocol; a physical failure is kept as data.

        Whatever else a protocol raises on one structure ends that system and no other. The driver
        decides afterwards whether it was a fault of ours; see ``fault_of_ours``.
        """
        disguise = Disguise.from_seed(prepared.seed(self.system.id))
        if probes is not None:
            ask = probes.around(self.system, ask, self.findings)
        state = ElectronicState.of(self.system.atoms)
        calculator = RemoteCalculator(ask, offered, disguise, state, waited_s)
        started = time.perf_counter()
        try:
            self.outcome = normal(
                prepared.protocol.simulate(self.system, calculator, prepared.parameters)
            )
        except SystemFailure as failure:
            self.status, self.message = SystemStatus.FAILED, str(failure)
            self.answer_status = failure.status if isinstance(failure, NotAnswered) else None
        except (CalculatorFailure, InfrastructureError):
            raise
        except OSError as error:
            raise InfrastructureError(f"The host failed in {self.system.id}: {error}") from error
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            self.break_off(error)
        else:
            self.status = SystemStatus.OK
        finally:
            self.n_calls = calculator.n_calls
            self.wall_time_s = time.perf_counter() - started

    def break_off(self, error: BaseException) -> None:
        """Charge the system. The log has all, the record only the kind: texts may tell values."""
        log_breakdown(f"The system {self.system.id} was broken off.", error)
        kind = type(error).__name__
        self.status, self.outcome = SystemStatus.FAILED, None
        self.message = f"It could not be judged: its numbers ended the computation ({kind})."
        if isinstance(error, Exception) and not is_of_the_numbers(error):
            self.unexpected = error

    def take(self, result: Outcome | SystemFailure) -> None:
        """Take over what a timed protocol found for this system."""
        if isinstance(result, SystemFailure):
            self.status, self.message = SystemStatus.FAILED, str(result)
            self.answer_status = result.status if isinstance(result, NotAnswered) else None
            return
        self.status, self.outcome = SystemStatus.OK, result
        self.n_calls = result.values["n_timed_calls"]
        self.wall_time_s = result.values["timed_s"]

    def finished(
        self, conditions: str, elapsed_s: float, serving: dict[str, int]
    ) -> FinishedSystem:
        """What a later attempt needs in order not to repeat this system."""
        assert self.status is not None  # noqa: S101  (it has been tried)
        return FinishedSystem(
            system_id=self.system.id,
            status=self.status,
            message=self.message,
            answer_status=self.answer_status,
            outcome=self.outcome,
            findings=tuple(self.findings),
            n_calls=self.n_calls,
            wall_time_s=self.wall_time_s,
            conditions=conditions,
            elapsed_s=elapsed_s,
            serving=serving,
        )

    def restore(self, finished: FinishedSystem) -> None:
        """Take over what an earlier attempt found."""
        self.status, self.message = finished.status, finished.message
        self.answer_status, self.outcome = finished.answer_status, finished.outcome
        self.findings = list(finished.findings)
        self.n_calls, self.wall_time_s = finished.n_calls, finished.wall_time_s


def fault_of_ours(tried: Sequence[Trial]) -> Exception | None:
    """The first unexpected exception, if every system met one: then no structure is to blame."""
    errors = [trial.unexpected for trial in tried]
    return errors[0] if errors and None not in errors else None


def unsupported_elements(system: System, submission: SubmissionSpec, info: Info) -> list[str]:
    """Elements of a system that the submitter did not declare or the checkpoint does not know."""
    elements = set(system.atoms.get_chemical_symbols())
    unknown: set[str] = set()
    for known in (submission.supported_elements, info.elements):
        if known is not None:
            unknown |= elements - set(known)
    return sorted(unknown)


_VERDICTS = {
    Status.ERROR: Verdict.RUNTIME_ERROR,
    Status.NONFINITE: Verdict.NONFINITE,
    Status.UNSUPPORTED: Verdict.UNSUPPORTED,
}


def judge_together(tried: Sequence[Trial]) -> Verdict:
    """OK, unless the calculator gave no usable answer for any system: then the first's kind.

    A potential that is wrong everywhere has been judged; one that never answered has not.
    """
    kinds = [trial.answer_status for trial in tried]
    if not kinds or kinds[0] is None or None in kinds:
        return Verdict.OK
    return _VERDICTS[kinds[0]]


def records_of(
    trials: Sequence[Trial], prepared: Prepared, rows: Sequence[dict[str, Any]] | None
) -> tuple[SystemRecord, ...]:
    """Records of the systems that were tried, in the reference's order.

    ``rows`` are the values that only the whole set decides, one dict for each trial.
    """
    more = rows if rows is not None else [{} for _ in trials]
    clusters = prepared.protocol.clusters([trial.system for trial in trials])
    return tuple(
        SystemRecord(
            system_id=trial.system.id,
            status=trial.status,
            message=trial.message,
            values=plain({**(trial.outcome.values if trial.outcome else {}), **row}),
            reference=plain(prepared.protocol.reference_values(trial.system)),
            n_calls=trial.n_calls,
            wall_time_s=round(trial.wall_time_s, 4),
            cluster=cluster,
        )
        for trial, row, cluster in zip(trials, more, clusters, strict=True)
        if trial.status is not None
    )


def files_of(trials: Sequence[Trial]) -> Iterator[tuple[str, str, bytes]]:
    """(system, name, content) of all output files, in the reference's order."""
    for trial in trials:
        if trial.outcome is not None:
            for name, content in sorted(trial.outcome.files.items()):
                yield trial.system.id, name, content
