"""What made-up evaluations tell beside their scores: as much as pages read of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evaluator.catalog.elements import SYMBOLS
from evaluator.contract import SystemStatus
from leaderboard.models import Evaluation, SystemResult

_ELEMENTS = ("Si", "O", "Li", "P", "S", "Cu", "Ag", "Fe", "Ni", "Ti", "N", "C", "Mg", "Na", "Cl")
_HARDWARE = ("Made-up GPU, 16 threads of Made-up CPU", "2 threads of Made-up CPU")
_SIZES = (8, 64, 512, 4096)
_N_SYSTEMS = 20


def hardware(kind: int) -> str:
    """Two of three on the first."""
    return _HARDWARE[kind % 3 == 0]


def summary_of(protocol: str, score: float) -> dict[str, Any]:
    if protocol != "energy_forces":
        return {}
    errors = {symbol: (1 - score) * (n + 1) / len(SYMBOLS) for n, symbol in enumerate(SYMBOLS[:40])}
    return {"force_mae_by_element": errors}


def records_of(evaluation: Evaluation, protocol: str) -> Iterator[SystemResult]:
    """One a system; most protocols are left without, which would be a million rows."""
    score = evaluation.score or 0.0
    rng = np.random.default_rng(int(1e6 * score))
    rows: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    if protocol == "equation_of_state":
        rows = [_crystal(symbol, n, score) for n, symbol in enumerate(_ELEMENTS)]
    if protocol == "efficiency":
        rows = [_timed(formula, score) for formula in ("Si", "H2O")]
    if protocol == "energy_forces" and evaluation.task_version.task.slug.endswith("-task-0"):
        rows = [_frame(n, score, rng) for n in range(_N_SYSTEMS)]
    for position, (system_id, values, reference) in enumerate(rows):
        yield SystemResult(
            evaluation=evaluation,
            position=position,
            system_id=system_id,
            status=SystemStatus.OK,
            values=values,
            reference=reference,
            n_calls=15,
            wall_time_s=0.4,
        )


def _crystal(symbol: str, n: int, score: float) -> tuple[str, dict[str, Any], dict[str, Any]]:
    reference = {"bulk_modulus_GPa": 20.0 * (n + 1), "volume_per_atom_A3": 10.0 + n}
    values = {name: value * (0.5 + 0.5 * score) for name, value in reference.items()}
    return symbol, {"element": symbol, "delta_meV": 20 * (1 - score), **values}, reference


def _timed(formula: str, score: float) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Good ones are slow: time in proportion to the atoms."""
    ms = [(1 + n / 1e3) * (1 + 100 * score**2) for n in _SIZES]
    sizes = [
        {
            "n_atoms": n,
            "median_ms": t,
            "q1_ms": 0.9 * t,
            "q3_ms": 1.1 * t,
            "memory_peak_MiB": 500.0 + n,
        }
        for n, t in zip(_SIZES, ms, strict=True)
    ]
    values = {
        "formula": formula, "sizes": sizes, "largest_n_atoms": _SIZES[-1],
        "first_failed_n_atoms": None, "first_failed_reason": "", "scaling_exponent": 1.0,
        "scaling_exponent_low": 0.9, "scaling_exponent_high": 1.1,
        "scaling_smallest_n_atoms": _SIZES[-2], "scaling_largest_n_atoms": _SIZES[-1],
        "scaling_prefactor_ms": ms[-1] / _SIZES[-1],
    }  # fmt: skip
    return formula, values, {}


def _frame(
    n: int, score: float, rng: np.random.Generator
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    reference = {"energy_per_atom_eV": -0.3 * n, "force_rms_eV_A": 0.1 * n}
    values = {
        name: value + float(rng.normal(0, 0.2 * (1 - score))) for name, value in reference.items()
    }
    return f"frame-{n}", {**values, "force_mae_eV_A": 0.2 * (1 - score)}, reference
