import re
from dataclasses import replace
from typing import Any

import pytest

from evaluator.catalog import (
    METRICS,
    PROTOCOLS,
    Direction,
    Parameter,
    ParameterError,
    check_parameters,
)

#: What the last word of a metric's key promises.
SUFFIXES = {
    "_mae": Direction.LOWER,
    "_rmse": Direction.LOWER,
    "_error": Direction.LOWER,
    "_distance": Direction.LOWER,
    "_drift": Direction.LOWER,
    "_delta_mean": Direction.LOWER,
    "_outlier_fraction": Direction.LOWER,
    "_time_median": Direction.LOWER,
    "_time_ratio": Direction.LOWER,
    "_exponent": Direction.LOWER,
    "memory_peak": Direction.LOWER,
    "throughput_max": Direction.HIGHER,
    "_system_size": Direction.HIGHER,
    "_cosine_mean": Direction.HIGHER,
    "_score": Direction.HIGHER,
    "_fraction_stable": Direction.HIGHER,
    "_roughness_median": Direction.LOWER,
    "_slope": Direction.ONE,
    "_slope_median": Direction.ONE,
    "_ratio_median": Direction.ONE,
}


@pytest.mark.parametrize("key", METRICS)
def test_the_name_of_a_metric_tells_its_direction(key: str) -> None:
    promised = {direction for suffix, direction in SUFFIXES.items() if key.endswith(suffix)}
    assert promised == {METRICS[key].direction}


@pytest.mark.parametrize("key", METRICS)
def test_metric_is_described(key: str) -> None:
    metric = METRICS[key]
    assert metric.key == key
    assert re.fullmatch(r"[a-z0-9_]+", key)
    assert metric.label and metric.description.endswith(".")
    if METRICS[key].direction is Direction.ONE:
        assert metric.unit == ""


def test_every_metric_belongs_to_a_protocol_and_every_protocols_metric_exists() -> None:
    assert {key for p in PROTOCOLS.values() for key in p.metrics} == set(METRICS)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocol_is_described(name: str) -> None:
    protocol = PROTOCOLS[name]
    columns = {column.name for column in protocol.columns}
    assert protocol.name == name
    assert set(protocol.parity) <= columns
    assert len(set(protocol.metrics)) == len(protocol.metrics)
    assert check_parameters(protocol.parameters, {}) == {
        p.name: p.default for p in protocol.parameters
    }


def test_unknown_and_bad_parameters_are_all_named_at_once() -> None:
    parameters = PROTOCOLS["equation_of_state"].parameters
    with pytest.raises(ParameterError) as caught:
        check_parameters(parameters, {"n_volumes": 3, "volume_range_percent": "6", "cheat": 1})
    assert set(caught.value.errors) == {"n_volumes", "volume_range_percent", "cheat"}
    assert "at least 5" in caught.value.errors["n_volumes"]


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        (float, True, "must be a number"),
        (float, float("nan"), "must be a number"),
        (int, 2.5, "must be a whole number"),
        (bool, 1, "must be true or false"),
        (str, 3, "must be a text"),
        (float, 11.0, "at most 10"),
        (float, -1, "at least 0"),
    ],
)
def test_parameter_of_another_kind_is_refused(kind: type, value: object, complaint: str) -> None:
    default: Any = {float: 1.0, int: 1, bool: True, str: "a"}[kind]
    parameter = Parameter(name="p", kind=kind, default=default, help="", minimum=0.0, maximum=10.0)
    with pytest.raises(ValueError, match=complaint):
        parameter.check(value)


def test_parameter_comes_back_in_its_kind() -> None:
    number = Parameter(name="p", kind=float, default=1.0, help="")
    assert isinstance(number.check(3), float)
    assert replace(number, kind=int, default=1).check(3.0) == 3
    choice = Parameter(name="p", kind=str, default="a", help="", choices=("a", "b"))
    assert choice.check("b") == "b"
    with pytest.raises(ValueError, match="one of a, b"):
        choice.check("c")
