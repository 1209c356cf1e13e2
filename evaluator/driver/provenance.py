"""What a score was obtained with: versions, hashes, hardware, precision, seeds, times."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from evaluator.driver.preparation import Prepared
from evaluator.host import machine
from evaluator.plain import plain
from evaluator.pool.pool import PoolPlan
from evaluator.runtimes.store import Runtime
from evaluator.sandbox.base import Sandbox
from evaluator.wire import Info


def describe(
    prepared: Prepared,
    sandbox: Sandbox,
    plan: PoolPlan,
    info: Info | None,
    device: str,
    runtime: Runtime | None,
) -> dict[str, Any]:
    """All but the times, JSON-ready. ``info`` is None where the calculator never loaded."""
    task, submission = prepared.task, prepared.submission
    return {
        "task": {"slug": task.slug, "version": task.version, "seed": task.seed},
        "protocol": {
            "name": task.protocol,
            "version": prepared.description.version,
            "parameters": prepared.parameters,
        },
        "is_whole_task": prepared.is_whole,
        # By a fault of the reference set, for every submission alike.
        **({"left_out": dict(prepared.left_out)} if prepared.left_out else {}),
        "reference_sha256": task.reference.sha256 if task.reference is not None else None,
        "artifact_sha256": submission.artifact_sha256,
        "settings": prepared.settings,
        "dtype_requested": prepared.dtype,
        "dtype": None if info is None else info.dtype,
        "device": device if info is None else info.device,
        #: The calculator's own words: not to be relied on.
        "calculator": None if info is None else _calculator(info),
        #: Where the calculator ran; None for the driver's own environment.
        "runtime": None if runtime is None else runtime.described(),
        "versions": machine.trusted_versions(),
        "hardware": machine.hardware(device),
        "pool": plain(asdict(plan)),
        "sandbox_level": str(sandbox.level),
        "seeds": {"disguise": _disguise_seed(prepared)},
        "evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _disguise_seed(prepared: Prepared) -> str:
    task = prepared.task
    words = f"{task.slug}/{task.version}/{task.seed}/<system>"
    return f"<the version's secret>/{words}" if task.disguise_secret else words


def conditions(
    prepared: Prepared, plan: PoolPlan, info: Info, device: str, runtime: Runtime | None
) -> str:
    """A hash of all that the numbers of one system depend on, but for the last digits of rounding.

    Two attempts at an evaluation may only be put together where it is the same: the same task and
    submission, kind of device, precision, runtime, versions, threads and batches. The processor's
    model is not part of it, so that another host of a cluster can go on; the provenance tells both.
    """
    kind = device.partition(":")[0]
    content = {
        "task": prepared.task.to_json(),
        "protocol_version": prepared.description.version,
        "parameters": prepared.parameters,
        "submission": prepared.submission.to_json(),
        "dtype": info.dtype,
        "device": kind,
        "gpus": sorted(set(machine.gpu_names())) if kind == "cuda" else [],
        "machine": machine.hardware(device)["machine"],
        "runtime": None if runtime is None else runtime.digest,
        "versions": machine.trusted_versions(),
        "calculator_versions": info.versions,
        "n_threads": plan.n_threads,
        "max_batch": [plan.max_batch, plan.max_batch_atoms],
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _calculator(info: Info) -> dict[str, Any]:
    described = asdict(info)
    return {**described, "properties": list(info.properties), "elements": _elements(info)}


def _elements(info: Info) -> list[str] | None:
    return None if info.elements is None else list(info.elements)
