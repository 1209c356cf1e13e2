from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from evaluator import wire
from evaluator.sandbox.answers import read_result
from evaluator.wire import (
    Frame,
    Kind,
    Prediction,
    Status,
    Structure,
    StructureFailure,
    WireClosed,
    WireError,
    WireTimeout,
)

EVERYTHING = tuple(wire.PROPERTY_SIZES)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def random_structure(n_atoms: int, seed: int = 0) -> Structure:
    rng = np.random.default_rng(seed)
    return Structure(
        numbers=rng.integers(1, 90, n_atoms, dtype=np.int32),
        positions=rng.normal(size=(n_atoms, 3)),
        cell=rng.normal(size=(3, 3)),
        pbc=rng.integers(0, 2, 3).astype(np.bool_),
    )


def random_prediction(n_atoms: int, seed: int = 0) -> Prediction:
    rng = np.random.default_rng(seed)
    return Prediction(
        energy=float(rng.normal()),
        forces=rng.normal(size=(n_atoms, 3)),
        stress=rng.normal(size=6),
        magmoms=rng.normal(size=n_atoms),
        energy_uncertainty=float(rng.random()),
    )


def assert_equal(a: object, b: object) -> None:
    for name, value in vars(a).items():
        np.testing.assert_array_equal(value, getattr(b, name), strict=True)


def test_a_batch_arrives_bit_by_bit_as_it_was_sent(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    structures = [random_structure(n, seed=n) for n in (1, 5, 2)]

    wire.send_frame(ours, wire.calc_frame(7, structures, EVERYTHING))
    request = wire.read_calc(wire.receive_frame(theirs, {Kind.CALC: -1}))

    assert (request.request_id, request.properties) == (7, EVERYTHING)
    for sent, received in zip(structures, request.structures, strict=True):
        assert_equal(sent, received)


def test_each_structure_of_a_batch_keeps_its_own_charge_and_spin() -> None:
    states = [(0, 1), (-1, 2), (2, 1), (0, 3)]
    structures = [
        replace(random_structure(2, seed=i), charge=charge, spin=spin)
        for i, (charge, spin) in enumerate(states)
    ]
    request = wire.read_calc(wire.calc_frame(7, structures, EVERYTHING))
    assert [(s.charge, s.spin) for s in request.structures] == states


def test_a_neutral_batch_is_the_frame_that_it_always_was() -> None:
    frame = wire.calc_frame(7, [random_structure(2)], EVERYTHING)
    assert set(frame.header) == {"id", "properties", "n_atoms"}


@pytest.mark.parametrize("charges", [[1, 2], [0.5], ["1"], [True], 1])
def test_charges_that_are_no_whole_number_for_each_structure_are_refused(charges: object) -> None:
    frame = wire.calc_frame(7, [replace(random_structure(2), charge=1)], EVERYTHING)
    frame.header["charges"] = charges
    with pytest.raises(WireError, match="one whole number for each structure"):
        wire.read_calc(frame)


def test_answers_arrive_bit_by_bit_and_failures_keep_their_places(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    structures = [random_structure(n) for n in (1, 5, 2)]
    request = wire.read_calc(wire.calc_frame(7, structures, EVERYTHING))
    failure = StructureFailure(status=Status.UNSUPPORTED, message="no such element")
    answers: list[wire.Answer] = [random_prediction(1), failure, random_prediction(2)]

    wire.send_frame(theirs, wire.result_frame(request, answers))
    length = wire.result_length([1, 5, 2], EVERYTHING)
    frame = wire.receive_frame(ours, {Kind.RESULT: length})
    first, second, third = read_result(frame, 7, [1, 5, 2], EVERYTHING)

    assert_equal(answers[0], first)
    assert second == failure
    assert_equal(answers[2], third)


def test_a_property_that_was_not_given_is_none() -> None:
    request = wire.read_calc(wire.calc_frame(1, [random_structure(3)], EVERYTHING))
    bare = Prediction(energy=1.0, forces=np.zeros((3, 3)))
    (answer,) = read_result(wire.result_frame(request, [bare]), 1, [3], EVERYTHING)

    assert isinstance(answer, Prediction)
    assert (answer.stress, answer.magmoms, answer.energy_uncertainty) == (None, None, None)


def test_energy_and_forces_are_asked_always_and_in_the_payloads_order() -> None:
    assert wire.ordered_properties(["stress"]) == ("energy", "forces", "stress")
    with pytest.raises(ValueError, match="unknown properties: charges"):
        wire.ordered_properties(["charges"])


@pytest.mark.parametrize(
    "structures",
    [[], [random_structure(0)], [random_structure(1)] * (wire.MAX_STRUCTURES + 1)],
    ids=["no structure", "no atom", "too many"],
)
def test_a_batch_out_of_bounds_is_refused_before_it_is_sent(structures: list[Structure]) -> None:
    with pytest.raises(ValueError, match="a batch holds"):
        wire.calc_frame(1, structures, EVERYTHING)


def test_a_structure_with_wrong_shapes_is_refused_before_it_is_sent() -> None:
    bad = Structure(
        numbers=np.ones(2, np.int32),
        positions=np.zeros((3, 3)),
        cell=np.eye(3),
        pbc=np.ones(3, np.bool_),
    )
    with pytest.raises(ValueError, match="a structure of 2 atoms"):
        wire.calc_frame(1, [bad], EVERYTHING)


def test_an_answer_of_a_wrong_shape_is_not_sent() -> None:
    request = wire.read_calc(wire.calc_frame(1, [random_structure(3)], EVERYTHING))
    with pytest.raises(ValueError, match=r"forces has the shape \(2, 3\)"):
        wire.result_frame(request, [Prediction(energy=0.0, forces=np.zeros((2, 3)))])


def test_the_deadline_is_for_the_whole_frame(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.send(wire.MAGIC)
    started = time.monotonic()
    with pytest.raises(WireTimeout):
        wire.receive_frame(ours, {Kind.HELLO: 0}, wire.deadline_in(0.2))
    assert 0.15 < time.monotonic() - started < 1


def test_a_closed_connection_is_told_from_a_silent_one(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.close()
    with pytest.raises(WireClosed):
        wire.receive_frame(ours, {Kind.HELLO: 0}, wire.deadline_in(1))
    with pytest.raises(WireClosed):
        wire.send_frame(ours, Frame(kind=Kind.BYE, header={}), wire.deadline_in(1))


def test_a_frame_of_another_version_is_refused(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.send(wire.PREFIX.pack(wire.MAGIC, wire.VERSION + 1, Kind.HELLO, 0, 0, 0))
    with pytest.raises(WireError, match="version 2, not 1"):
        wire.receive_frame(ours, {Kind.HELLO: 0}, wire.deadline_in(1))


def test_every_error_category_is_a_verdict() -> None:
    from evaluator.contract import Verdict

    assert {category.value for category in wire.ErrorCategory} < {v.value for v in Verdict}
