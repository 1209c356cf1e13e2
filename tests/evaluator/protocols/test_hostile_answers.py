"""Whatever numbers come over the wire, a protocol ends soon, and never by a fault of ours."""

from __future__ import annotations

import time

import pytest
from threadpoolctl import threadpool_limits

from tests.evaluator.protocols.hostile_answers import SYSTEMS, Case

pytestmark = [
    pytest.mark.timeout(60),
    # Numbers that overflow are looked at right afterwards.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

QUICK = {
    "equation_of_state": 40,
    "energy_forces": 40,
    "md_stability": 12,
    "mixing_energy": 30,
    "surface_energy": 20,
    "interaction_energy": 30,
    "elastic": 12,
    "vacancy_formation": 20,
}
#: Of the processor, for one system of a few atoms.
MOST_S = 8.0


def run(case: Case) -> str:
    started = time.process_time()
    with threadpool_limits(limits=1):
        end = case.run()
    assert time.process_time() - started < MOST_S, case
    return end


@pytest.mark.slow
@pytest.mark.parametrize("protocol", QUICK)
def test_absurd_answers_end_in_data(protocol: str) -> None:
    ends = {run(Case(protocol=protocol, seed=seed)).split()[0] for seed in range(QUICK[protocol])}
    assert ends <= {"judged", "failed", "broken", "not"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [47, 59, 63])
def test_absurd_answers_to_phonons_end_in_data(seed: int) -> None:
    """Each relaxes, or not, within its bound of steps; the solver gets what remains."""
    assert run(Case(protocol="phonons", seed=seed)).split()[0] in {"judged", "failed", "broken"}


def test_every_protocol_that_computes_on_answers_is_tried() -> None:
    from evaluator.protocols import PROTOCOLS

    # Timings look at no number; forces of rare events are read as energy_forces reads them.
    assert set(PROTOCOLS) - set(SYSTEMS) == {"efficiency", "rare_event_forces"}
