"""What checks run in the sandbox: ``python -m evaluator.calculators.trial DEVICE [KIND ...]``.

Has the device compute something whose answer is known, then imports what each of the named
calculator kinds needs. Prints a line of JSON for each, after a mark, since packages print lines
of their own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence

from evaluator.calculators.registry import make_adapter

MARK = "touchstone-trial "
#: Instead of a device, where none is to be tried.
NO_DEVICE = "none"
_N = 64


def main(device: str, kinds: Sequence[str]) -> int:
    """Try the device first: it is what most often is wrong. The status is 0 whatever is found."""
    if device != NO_DEVICE:
        _try("device", lambda: _compute(device))
    for kind in kinds:
        _try(kind, lambda kind=kind: _import(kind))  # type: ignore[misc]
    return 0


def _try(name: str, trial: Callable[[], str]) -> None:
    line = {"name": name, "found": "", "error": ""}
    try:
        line["found"] = trial()
    except Exception as error:  # noqa: BLE001  (packages raise whatever they like)
        line["error"] = f"{type(error).__name__}: {error}"
    print(MARK + json.dumps(line), flush=True)


def _import(kind: str) -> str:
    make_adapter(kind)
    return "can be imported"


def _compute(device: str) -> str:
    """A product of matrices and its gradient, as a graph network needs them.

    With ones in x, the sum over x·x is N³, and its derivative by each element 2N.
    """
    import torch

    x = torch.ones((_N, _N), dtype=torch.float64, device=device, requires_grad=True)
    energy = (x @ x).sum()
    energy.backward()
    assert x.grad is not None  # noqa: S101  (tells mypy what backward does)
    if energy.item() != _N**3 or not bool((x.grad == 2 * _N).all()):
        raise ArithmeticError(f"{device} gives {energy.item()} where {_N**3} is right")
    name = torch.cuda.get_device_name(x.device) if x.is_cuda else "processor"
    return f"{device} computes ({name}, torch {torch.__version__})"


# The last argument is the socket's, which every process in a sandbox is given.
if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:-1]))
