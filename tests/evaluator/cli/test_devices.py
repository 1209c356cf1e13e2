from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.cli import devices, main
from evaluator.cli.devices import check_device
from evaluator.cli.exit_codes import ExitCode
from evaluator.exceptions import InfrastructureError

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", [["validate"], ["evaluate", "--task", "smoke", "--calculator"]])
def test_what_is_no_device_is_a_usage_error(command: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "ase:emt", "--device", "gpu0"])
    assert ended.value.code == ExitCode.USAGE
    assert "'gpu0' must be cpu, cuda or cuda:N" in capsys.readouterr().err


def test_a_device_that_is_not_here_is_this_machine_s_fault_and_no_potential_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "my.model").write_bytes(b"weights")
    monkeypatch.setattr(devices, "_DEVICES", tmp_path)
    code = main(["validate", str(tmp_path / "my.model"), "--kind", "mace", "--device", "cuda:0"])
    assert code == ExitCode.INFRASTRUCTURE_ERROR
    assert "cuda:0 cannot be used here: this machine has no NVIDIA GPU" in capsys.readouterr().err

    for number in (0, 1):
        (tmp_path / f"nvidia{number}").touch()
    (tmp_path / "nvidiactl").touch()
    with pytest.raises(InfrastructureError, match="this machine has 2, counted from 0"):
        check_device("cuda:2", "mace")


def test_a_device_that_is_of_no_use_is_told(capsys: Capture) -> None:
    check_device("cpu", "ase")
    assert capsys.readouterr().err == ""
    check_device("cuda", "ase")
    assert "ase computes on the processor; cuda is not used" in capsys.readouterr().err
