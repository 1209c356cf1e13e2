"""The driver's process: runs one evaluation as a user without rights, and tells the worker.

Started by ``confined.py`` inside a sandbox of its own: no database, no secret, no network, no file
of the host but libraries, the evaluator, the artifact and the reference.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluator.contract import FileRecord, Progress, SubmissionSpec, TaskSpec
from evaluator.driver import calibration
from evaluator.driver.evaluation import evaluate
from evaluator.driver.finished import FinishedSystem, StoredSystem, UnreadableSystem
from evaluator.driver.messages import MAX_SYSTEM_BYTES, Channel
from evaluator.exceptions import InfrastructureError
from evaluator.plain import plain
from evaluator.runtimes.store import Runtime
from evaluator.sandbox.base import SandboxLevel
from evaluator.sandbox.broker import BrokeredSandbox

logger = logging.getLogger(__name__)

_POLL_S = 0.2


class _Worker:
    """The worker's word: what is to be done, whether the device is ours, whether to stop."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._has_lock = threading.Event()
        self._is_stopped = threading.Event()

    def listen(self) -> None:
        threading.Thread(target=self._listen, name="worker", daemon=True).start()

    def should_stop(self) -> bool:
        return self._is_stopped.is_set()

    @contextmanager
    def lock(self, *, is_exclusive: bool, while_waiting: Callable[[], None]) -> Iterator[float]:
        """The device's lock, which the worker holds for us until this process has ended."""
        started = time.monotonic()
        self._channel.send("lock", is_exclusive=is_exclusive)
        while not self._has_lock.wait(_POLL_S):
            while_waiting()
        yield time.monotonic() - started

    def progress(self, progress: Progress) -> None:
        self._channel.send("progress", **progress.to_json())

    def store_file(self, record: FileRecord, content: bytes) -> None:
        self._channel.send("file", record=record.to_json(), content=content)

    def keep(self, systems: Sequence[FinishedSystem]) -> None:
        for system in systems:
            content = system.to_bytes()
            if len(content) > MAX_SYSTEM_BYTES:
                logger.warning("%s is not kept: %d bytes.", system.system_id, len(content))
                continue
            self._channel.send("finished", system_id=system.system_id, content=content)

    def _listen(self) -> None:
        while (message := self._channel.receive()) is not None:
            if message[0] == "locked":
                self._has_lock.set()
            elif message[0] == "stop":
                self._is_stopped.set()
        self._is_stopped.set()  # the worker is gone


def main() -> None:
    control, broker = (socket.socket(fileno=int(number)) for number in sys.argv[-2:])
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    channel = Channel(control)
    order, finished = _order(channel)
    worker = _Worker(channel)
    worker.listen()
    artifact = Path(order["artifact"])
    sandbox = BrokeredSandbox(broker, SandboxLevel(order["sandbox_level"]), artifact)
    if order["plans"]:
        calibration.learn_plans(order["plans"])
    try:
        report = evaluate(
            TaskSpec.from_json(json.loads(order["task"])),
            SubmissionSpec.from_json(json.loads(order["submission"])),
            artifact,
            Path(order["reference"]),
            sandbox=sandbox,
            runtimes=_runtimes(order["runtimes"]),
            device=order["device"],
            lock=worker.lock,
            progress=worker.progress,
            should_stop=worker.should_stop,
            store_file=worker.store_file,
            finished=finished,
            keep_finished=worker.keep,
        )
    except InfrastructureError as error:
        logger.exception("The evaluation could not be run.")
        channel.send("fault", message=str(error))
    else:
        channel.send(
            "report",
            report=json.dumps(plain(report.to_json())),
            plans=calibration.plans_to_json(),
        )
    sys.stderr.flush()
    # Threads of a calculation that was given up must not hold the process.
    os._exit(0)


def _runtimes(described: str | None) -> dict[str, Runtime] | None:
    """Runtimes by kind. Where they lie is the worker's alone to know."""
    if described is None:
        return None
    manifests = json.loads(described)
    return {kind: Runtime.from_manifest(m, Path("/nowhere")) for kind, m in manifests.items()}


def _order(channel: Channel) -> tuple[dict[str, Any], dict[str, FinishedSystem]]:
    """What is to be evaluated, and what earlier attempts have finished of it."""
    systems = {}
    while (message := channel.receive()) is not None and message[0] == "kept":
        stored = StoredSystem(**message[1])
        try:
            systems[stored.system_id] = stored.read()
        except UnreadableSystem as error:
            logger.warning("%s is simulated again: %s.", stored.system_id, error)
    if message is None or message[0] != "start":
        sys.exit("The worker did not say what is to be evaluated.")
    return message[1], systems


if __name__ == "__main__":
    main()
