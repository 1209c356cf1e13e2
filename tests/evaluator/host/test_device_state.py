from __future__ import annotations

import os

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.host import device_state


def test_a_line_of_nvidia_smi_is_read_with_units() -> None:
    line = (
        "NVIDIA H200, GPU-1234, 550.90.07, P0, 143771, 512, 1, 1980, 3201, 1980, 34, 76.5, 700.0, "
        "0x0000000000000001\n"
    )
    found = device_state.read_gpu_state(line)
    assert found["name"] == "NVIDIA H200"
    assert found["driver_version"] == "550.90.07"
    assert (found["memory_total_MiB"], found["memory_used_MiB"]) == (143771.0, 512.0)
    assert (found["clocks_sm_MHz"], found["clocks_max_sm_MHz"]) == (1980.0, 1980.0)
    assert (found["utilization_gpu_percent"], found["power_draw_W"]) == (1.0, 76.5)
    assert found["temperature_gpu_C"] == 34.0
    assert found["clocks_throttle_reasons_active"] == "0x0000000000000001"


def test_what_nvidia_smi_does_not_know_stays_its_own_words() -> None:
    line = ", ".join(["[N/A]"] * 14)
    assert set(device_state.read_gpu_state(line).values()) == {"[N/A]"}


def test_ticks_count_the_processors_that_we_may_use_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1})
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 5 5 5 5 5 5 5 5 0 0\ncpu1 10 0 20 60 5 1 3 1 7 0\nintr 3"
    # Idle 60 and waiting 5 of 100; the 7 of guests are in user already.
    assert device_state._cpu_times(stat) == (65, 100)


@pytest.mark.slow
def test_waiting_for_idleness_is_bounded_and_can_be_broken_off() -> None:
    found = device_state.wait_until_idle("cpu", 0.0, lambda: None)
    assert set(found) == {
        *("is_idle", "cpu_busy_percent", "gpu_busy_percent", "waited_for_idleness_s"),
    }
    assert found["is_idle"] == (found["cpu_busy_percent"] <= 5.0)
    assert 0.0 <= found["cpu_busy_percent"] <= 100.0
    assert found["gpu_busy_percent"] is None

    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        device_state.wait_until_idle("cpu", 60.0, stop)


def test_the_hardware_key_tells_processor_and_threads() -> None:
    one, two = (device_state.hardware_key("cpu", n) for n in (1, 2))
    assert one.startswith("1 thread of ")
    assert two.startswith("2 threads of ")
    assert one.removeprefix("1 thread") == two.removeprefix("2 threads")


def test_the_state_of_the_processor_is_read() -> None:
    state = device_state.describe("cpu")
    assert len(state["load_average"]) == 3
    assert "gpu" not in state


def test_a_host_shortens_the_wait_for_idleness_and_never_lengthens_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(device_state.IDLE_WAIT_VARIABLE, raising=False)
    assert device_state.idle_wait_s(60.0) == 60.0
    monkeypatch.setenv(device_state.IDLE_WAIT_VARIABLE, "0")
    assert device_state.idle_wait_s(60.0) == 0.0
    monkeypatch.setenv(device_state.IDLE_WAIT_VARIABLE, "100")
    assert device_state.idle_wait_s(60.0) == 60.0
    for wrong in ("soon", "-1", "nan"):
        monkeypatch.setenv(device_state.IDLE_WAIT_VARIABLE, wrong)
        with pytest.raises(InfrastructureError, match="must be seconds from 0 to 3600"):
            device_state.idle_wait_s(60.0)
