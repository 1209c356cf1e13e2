"""The protocol by a clock that is not the wall's: a bench whose calls take what a law says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from evaluator.catalog import PROTOCOLS as CATALOG
from evaluator.catalog import check_parameters
from evaluator.contract import ScoredMetric, SystemStatus, TaskSpec
from evaluator.protocols import PROTOCOLS
from evaluator.protocols.base import Outcome, System, SystemFailure, UnsuitableReference
from evaluator.protocols.efficiency.material import repeats
from evaluator.protocols.efficiency.protocol import EfficiencyProtocol
from evaluator.protocols.efficiency.records import why_unreliable
from evaluator.protocols.efficiency.timed import DoesNotRun, Role
from evaluator.scoring import score

Law = Callable[[int], float]
SILICON = System(id="speed-Si", atoms=bulk("Si", "diamond", a=5.431, cubic=True))
COPPER = System(id="speed-Cu", atoms=bulk("Cu", "fcc", a=3.615, cubic=True))


@dataclass
class ClockedBench:
    """Answers at once and says that it took ``law(n_atoms)``; what is too large does not run."""

    law: Law
    reference: Law | None = None
    null_s: float = 1e-4
    largest: int = 10**9
    unanswered_from: int = 10**9
    batch_factor: float = 1.0
    n_started: dict[Role, int] = field(default_factory=dict)
    asked: list[Atoms] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    #: How much longer calls take for what else the device does, by the number of calls so far.
    load: Callable[[int], float] = lambda n_calls: 1.0
    #: How much longer the reference takes while the submission's process waits.
    hold_up: float = 1.0
    #: The first round in which it does.
    hold_up_from: int = 1
    n_calls: int = 0
    alive: list[Role] = field(default_factory=list)
    #: Who was alive when the submission was asked, at each size.
    beside: dict[int, set[tuple[Role, ...]]] = field(default_factory=dict)

    @property
    def has_reference(self) -> bool:
        return self.reference is not None

    @contextmanager
    def calculator(self, role: Role) -> Iterator[ClockedCalculator]:
        self.n_started[role] = self.n_started.get(role, 0) + 1
        self.alive.append(role)
        try:
            yield ClockedCalculator(self, role)
        finally:
            self.alive.remove(role)

    def tell(self, n_done: int, n_total: int) -> None:
        self.steps.append((n_done, n_total))


@dataclass
class ClockedCalculator:
    bench: ClockedBench
    role: Role
    is_dead: bool = False
    n_atoms: int = 0

    def time_call(self, structures: Sequence[Atoms]) -> float:
        assert not self.is_dead, "a process that is gone was asked again"
        bench, n_atoms = self.bench, sum(len(atoms) for atoms in structures)
        self.n_atoms = n_atoms
        bench.n_calls += 1
        load = bench.load(bench.n_calls)
        if self.role is Role.NULL:
            return bench.null_s
        if self.role is Role.REFERENCE:
            assert bench.reference is not None
            is_held_up = bench.n_started.get(Role.SUBMISSION, 0) >= bench.hold_up_from
            is_held_up &= Role.SUBMISSION in bench.alive
            held_up = bench.hold_up if is_held_up else 1.0
            return load * held_up * bench.reference(n_atoms)
        bench.beside.setdefault(n_atoms, set()).add(tuple(bench.alive))
        bench.asked += [atoms.copy() for atoms in structures]
        if n_atoms > bench.largest:
            self.is_dead = True
            raise DoesNotRun("out_of_memory_gpu", f"{n_atoms} atoms were too many.")
        if n_atoms >= bench.unanswered_from:
            raise SystemFailure("An index was out of range.")
        return load * bench.law(n_atoms) * (bench.batch_factor if len(structures) > 1 else 1.0)

    def ask_again(self) -> None: ...

    def forget_memory_peak(self) -> None: ...

    def memory_peak(self) -> float:
        return 100.0 + self.n_atoms


def parameters(**given: Any) -> dict[str, Any]:
    few = {
        "n_processes": 2,
        "n_calls": 5,
        "min_calls": 3,
        "n_warmup": 1,
        "warmup_limit_s": 0.01,
        "small_n_atoms": 64,
        "large_n_atoms": 216,
        "largest_n_atoms": 1000,
        "batch_n_structures": 4,
        "batch_n_atoms": 8,
    }
    return dict(check_parameters(CATALOG["efficiency"].parameters, {**few, **given}))


def measured(bench: ClockedBench, system: System = SILICON, **given: Any) -> dict[str, Any]:
    (outcome,) = EfficiencyProtocol().measure([system], bench, parameters(**given))
    assert isinstance(outcome, Outcome)
    return outcome.values


def linear(n_atoms: int) -> float:
    return 2e-4 * n_atoms  # 0.2 ms for each atom


def test_a_call_of_known_time_gives_the_known_figures() -> None:
    values = measured(ClockedBench(linear, reference=lambda n: 1e-4 * n))
    assert values["call_time_ms"] == pytest.approx(12.8)  # 64 atoms of 0.2 ms
    assert values["atom_time_us"] == pytest.approx(200.0)
    assert values["throughput_atom_steps_s"] == pytest.approx(5000.0)
    assert values["nanoseconds_per_day"] == pytest.approx(0.0864 / (216 * 2e-4))
    assert values["scaling_exponent"] == pytest.approx(1.0)
    assert values["reference_ratio"] == pytest.approx(2.0)
    assert values["process_spread_percent"] == pytest.approx(0.0)
    assert values["memory_peak_MiB"] == 316.0
    assert values["largest_n_atoms"] == 1000
    assert (values["first_failed_n_atoms"], values["first_failed_reason"]) == (None, "")
    assert [row["n_atoms"] for row in values["sizes"]] == [8, 64, 216, 512, 1000]


def test_the_sandboxes_share_is_the_null_call_over_the_call() -> None:
    values = measured(ClockedBench(linear, null_s=1.28e-4))
    assert values["sandbox_ms"] == pytest.approx(0.128)
    assert values["sandbox_share_percent"] == pytest.approx(1.0)  # 0.128 of 12.8 ms
    shares = [row["sandbox_share_percent"] for row in values["sizes"]]
    assert shares == pytest.approx([8.0, 1.0, 0.296296, 0.125, 0.064], rel=1e-4)


def test_batches_stand_in_columns_of_their_own() -> None:
    values = measured(ClockedBench(linear, batch_factor=0.5))
    # 4 structures of 8 atoms in half of 32 x 0.2 ms = 3.2 ms.
    assert values["batched_structures_s"] == pytest.approx(4 / 3.2e-3)
    assert values["batched_atom_steps_s"] == pytest.approx(32 / 3.2e-3)
    assert values["throughput_atom_steps_s"] == pytest.approx(5000.0)
    assert values["batch"]["n_structures"] == 4
    assert "nanoseconds_per_day" not in values["batch"]
    without = measured(ClockedBench(linear), batch_n_structures=0)
    assert "batched_structures_s" not in without


def test_memory_that_runs_out_ends_the_growth_and_is_data() -> None:
    bench = ClockedBench(linear, largest=600)
    values = measured(bench)
    assert values["largest_n_atoms"] == 512
    assert values["first_failed_n_atoms"] == 1000
    assert values["first_failed_reason"] == "out_of_memory_gpu"
    assert values["first_failed_message"] == "1000 atoms were too many."
    # The size that killed the first process is not tried in the second.
    assert sum(len(atoms) == 1000 for atoms in bench.asked) == 1
    assert bench.n_started[Role.SUBMISSION] == 2


def test_a_material_after_one_that_ran_out_of_memory_gets_a_fresh_process() -> None:
    bench = ClockedBench(linear, largest=600)
    results = EfficiencyProtocol().measure([SILICON, COPPER], bench, parameters(n_processes=1))
    assert [r.values["largest_n_atoms"] for r in results if isinstance(r, Outcome)] == [512, 600]
    assert bench.n_started[Role.SUBMISSION] == 2


def test_a_declared_size_that_does_not_run_is_charged() -> None:
    values = measured(ClockedBench(linear, largest=100))
    assert "atom_time_us" not in values
    assert values["call_time_ms"] == pytest.approx(12.8)
    samples, _ = EfficiencyProtocol().samples([SILICON], [Outcome(values=values)], parameters())
    assert np.isnan(samples["atom_time_median"].values[0])
    assert not samples["atom_time_median"].missing[0]


def test_what_never_runs_has_failed_with_its_reason() -> None:
    (result,) = EfficiencyProtocol().measure(
        [SILICON], ClockedBench(linear, largest=4), parameters()
    )
    assert isinstance(result, DoesNotRun)
    assert result.reason == "out_of_memory_gpu"


def test_a_structure_without_answer_ends_the_growth_but_not_the_process() -> None:
    bench = ClockedBench(linear, unanswered_from=500)
    values = measured(bench)
    assert values["largest_n_atoms"] == 216
    assert values["first_failed_reason"] == "not_answered"
    assert bench.n_started[Role.SUBMISSION] == 2  # one for each process that was asked for


def test_growth_stops_where_the_next_size_would_take_too_long() -> None:
    # 3 timed calls and one to warm up: 0.41 s for 512 atoms, 0.8 s for 1000.
    values = measured(ClockedBench(linear), growth_limit_s=0.6)
    assert values["largest_n_atoms"] == 512
    assert (values["first_failed_n_atoms"], values["first_failed_reason"]) == (1000, "time_bound")


def test_the_declared_sizes_are_tried_however_slow() -> None:
    values = measured(ClockedBench(lambda n: 100.0 * n), growth_limit_s=0.1)
    assert values["largest_n_atoms"] == 216
    assert values["atom_time_us"] == pytest.approx(1e8)


def test_atoms_move_in_every_call_and_the_same_way_each_time() -> None:
    first, second = ClockedBench(linear), ClockedBench(linear)
    for bench in (first, second):
        measured(bench, batch_n_structures=0)
    positions = [atoms.positions for atoms in first.asked if len(atoms) == 64]
    assert len({p.tobytes() for p in positions}) == len(positions) > 5
    site = SILICON.atoms.repeat(2).positions
    assert 0.008 < np.std([p - site for p in positions]) < 0.012
    # How many calls there are of each size is a matter of time; those of the first are three.
    for one, other in zip(first.asked[:3], second.asked[:3], strict=True):
        assert np.array_equal(one.positions, other.positions)


def test_processes_take_turns_and_progress_reaches_its_end() -> None:
    bench = ClockedBench(linear, reference=linear)
    measured(bench, n_processes=3)
    assert bench.n_started == {Role.REFERENCE: 3, Role.SUBMISSION: 3, Role.NULL: 3}
    assert bench.steps == [(1, 3), (2, 3), (3, 3)]


def grows(n_calls: int) -> float:
    """A device that becomes three times as slow while a measurement is made."""
    return 1.0 + n_calls / 100


def comes_and_goes(n_calls: int) -> float:
    """Somebody else takes the device for 40 calls out of 80."""
    return 7.0 if n_calls // 40 % 2 else 1.0


@pytest.mark.parametrize("load", [grows, comes_and_goes])
def test_the_reference_against_itself_has_a_ratio_of_one_on_a_busy_device_or_none(
    load: Callable[[int], float],
) -> None:
    values = measured(ClockedBench(linear, reference=linear, load=load), n_processes=3, n_calls=30)
    assert ("reference_ratio" in values) == ("reference_message" not in values)
    assert load is comes_and_goes or "reference_ratio" in values
    assert values.get("reference_ratio", 1.0) == pytest.approx(1.0, abs=0.02)
    twice = ClockedBench(lambda n: 2 * linear(n), reference=linear, load=load)
    doubled = measured(twice, n_processes=3, n_calls=30)
    assert doubled.get("reference_ratio", 2.0) == pytest.approx(2.0, rel=0.02)


def test_who_keeps_the_device_busy_in_the_turns_of_the_reference_gets_no_ratio() -> None:
    honest = measured(ClockedBench(linear, reference=linear, hold_up=1.1))
    assert honest["reference_ratio"] == pytest.approx(1 / 1.1)
    assert honest["reference_slower_percent"] == pytest.approx(10)
    spinning = measured(ClockedBench(linear, reference=linear, hold_up=3.0))
    assert "reference_ratio" not in spinning
    assert spinning["reference_message"] == (
        "The reference potential took 200 % longer beside this one than before it began, by its "
        "doing or another's: there is no ratio."
    )
    # In two rounds of three: judged by the third.
    bench = ClockedBench(linear, reference=linear, hold_up=3.0)
    bench.hold_up_from = 2
    now_and_then = measured(bench, n_processes=3)
    assert now_and_then["reference_ratio"] == pytest.approx(1.0)
    samples, _ = EfficiencyProtocol().samples([SILICON], [Outcome(values=spinning)], parameters())
    assert samples["reference_time_ratio"].missing[0]


def test_the_submission_is_timed_by_itself_once_the_reference_is_gone() -> None:
    bench = ClockedBench(linear, reference=linear)
    measured(bench, batch_n_structures=0)
    together = (Role.REFERENCE, Role.SUBMISSION)
    assert bench.beside.pop(64) == {together, (Role.SUBMISSION,)}
    assert set(bench.beside) == {8, 216, 512, 1000}
    assert all(alive == {(Role.SUBMISSION,)} for alive in bench.beside.values())


def test_what_is_too_much_in_turns_is_found_again_by_itself() -> None:
    bench = ClockedBench(linear, reference=linear, largest=30)
    values = measured(bench, batch_n_structures=0)
    assert (values["largest_n_atoms"], values["first_failed_n_atoms"]) == (8, 64)
    assert "reference_ratio" not in values
    # In the first round it dies in turns, then of the size itself; in the second it is not asked.
    assert bench.n_started[Role.SUBMISSION] == 3


def test_times_that_differ_between_processes_say_so() -> None:
    def by_process(first_call_of_second: int, factor: float) -> dict[str, Any]:
        law = ClockedBench(linear, load=lambda n: factor if n > first_call_of_second else 1.0)
        return measured(law, batch_n_structures=0)

    calls = ClockedBench(linear)
    measured(calls, batch_n_structures=0, n_processes=1)
    n_calls_of_one = calls.n_calls
    # (1.6 - 1)/2 over 1.3 is 23 %; (1.4 - 1)/2 over 1.2 is 17 %.
    busy, calm = by_process(n_calls_of_one, 1.6), by_process(n_calls_of_one, 1.4)
    assert busy["process_spread_percent"] == pytest.approx(23.08, abs=0.01)
    assert why_unreliable([calm, busy]) == (
        "Its times spread by 23 % between processes (Si, 216 atoms), more than 20 %."
    )
    assert why_unreliable([calm]) == why_unreliable([]) == ""
    only_one = measured(ClockedBench(linear), n_processes=1)
    assert only_one["process_spread_percent"] is None
    assert why_unreliable([only_one]) == ""


@pytest.mark.slow
def test_a_slow_potential_scores_below_a_fast_one_and_one_that_fails_below_both() -> None:
    task = TaskSpec(
        slug="speed",
        version=1,
        protocol="efficiency",
        protocol_version=3,
        parameters=parameters(),
        metrics=(
            ScoredMetric(key="call_time_median", good=1, bad=1e3, worst=1e4, scale="log"),
            ScoredMetric(key="throughput_max", good=1e6, bad=1e2, worst=1e1, scale="log"),
        ),
    )

    def task_score(bench: ClockedBench) -> float:
        protocol, systems = EfficiencyProtocol(), [SILICON, COPPER]
        results = protocol.measure(systems, bench, task.parameters)
        outcomes = [r if isinstance(r, Outcome) else None for r in results]
        statuses = [SystemStatus.OK if o else SystemStatus.FAILED for o in outcomes]
        samples, _ = protocol.samples(systems, outcomes, task.parameters)
        found = score(task, statuses, samples)[1].value
        assert found is not None
        return found

    fast, slow = task_score(ClockedBench(linear)), task_score(ClockedBench(lambda n: 1e-2 * n))
    very_slow = task_score(ClockedBench(lambda n: 10.0 * n))
    broken = task_score(ClockedBench(linear, largest=1))
    assert fast > slow > very_slow == broken == 0.0
    # By hand: 12.8 ms scores 1 - ln 12.8 / ln 1000 = 0.631 (copper's cell has 72 atoms: 14.4 ms),
    # 5000 atom-steps/s scores ln 50 / ln 10000 = 0.425.
    assert fast == pytest.approx(
        (1 - np.log(np.sqrt(12.8 * 14.4)) / np.log(1e3) + 0.42474) / 2, abs=1e-4
    )


@pytest.mark.parametrize("n_atoms", [1, 64, 216, 512, 1000, 4096])
def test_a_cell_is_repeated_to_nearly_a_cube_of_at_least_so_many_atoms(n_atoms: int) -> None:
    for system in (SILICON, COPPER):
        found = repeats(system.atoms, n_atoms)
        n_found = len(system.atoms) * int(np.prod(found))
        assert n_found >= n_atoms
        assert max(found) - min(found) <= 1
    assert len(SILICON.atoms) * np.prod(repeats(SILICON.atoms, n_atoms)) == max(8, n_atoms)


def test_a_molecule_in_a_vacuum_is_no_material_to_time() -> None:
    with pytest.raises(UnsuitableReference, match="not periodic"):
        EfficiencyProtocol().check_reference([System(id="a", atoms=Atoms("H"))], [])
    with pytest.raises(UnsuitableReference, match="empty"):
        EfficiencyProtocol().check_reference([], [])


def test_the_protocol_is_timed_in_catalog_and_code() -> None:
    assert CATALOG["efficiency"].is_timed
    assert not PROTOCOLS["efficiency"].can_resume
    assert [name for name, protocol in CATALOG.items() if protocol.is_timed] == ["efficiency"]
    with pytest.raises(TypeError, match="measured together"):
        PROTOCOLS["efficiency"].simulate(SILICON, None, {})  # type: ignore[arg-type]
