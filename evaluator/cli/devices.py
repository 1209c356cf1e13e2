"""``--device``: what is refused before anything runs, so that no potential is blamed for it."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from evaluator.catalog import CALCULATOR_KINDS
from evaluator.contract import DEVICE_PATTERN
from evaluator.exceptions import InfrastructureError
from evaluator.host import machine

_DEVICES = Path("/dev")


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", type=_device, default="cpu", help="cpu (default), cuda or cuda:N"
    )


def check_device(device: str, kind: str) -> None:
    """Raise InfrastructureError for a device that this machine lacks.

    Where the kind computes on the processor alone, it is said that the device is of no use.
    """
    if device == "cpu":
        return
    if CALCULATOR_KINDS[kind].is_built_in:
        print(
            f"touchstone: {kind} computes on the processor; {device} is not used", file=sys.stderr
        )
        return
    if fault := _fault(device):
        raise InfrastructureError(f"{device} cannot be used here: {fault}")


def _fault(device: str) -> str:
    n_gpus = len(list(_DEVICES.glob("nvidia[0-9]*")))
    number = int(device.partition(":")[2] or 0)
    if n_gpus == 0:
        return "this machine has no NVIDIA GPU, or no driver of it; leave --device out for the cpu"
    if number >= n_gpus:
        return f"this machine has {n_gpus}, counted from 0"
    torch = machine.package_version("torch") or ""
    if torch.endswith("+cpu"):
        return f"torch {torch} is a build for processors; install a CUDA build of this version"
    return ""


def _device(text: str) -> str:
    if not re.fullmatch(DEVICE_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r} must be cpu, cuda or cuda:N")
    return text
