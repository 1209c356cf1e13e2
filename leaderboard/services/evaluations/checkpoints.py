"""Finished systems of an evaluation that has not ended: kept, handed to the next attempt, removed.

The content is the evaluator's own (evaluator/finished.py); nothing here looks into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from leaderboard.models import Evaluation, KeptSystem, Worker
from leaderboard.services.evaluations.lifecycle import own_running


@dataclass(frozen=True, kw_only=True)
class KeptSystems:
    """A finished system as it was stored, and in words which claim it comes from."""

    content: bytes
    origin: str


def keep(evaluation_id: UUID, token: int, contents: Mapping[str, bytes]) -> None:
    """Store finished systems by name, replacing older ones. Raises LostLeaseError."""
    with transaction.atomic():
        evaluation = own_running(evaluation_id, token)
        assert evaluation.worker is not None  # noqa: S101  (what runs has a worker)
        KeptSystem.objects.bulk_create(
            (
                KeptSystem(
                    evaluation=evaluation,
                    system_id=system_id,
                    fencing_token=token,
                    worker=evaluation.worker,
                    content=content,
                )
                for system_id, content in contents.items()
            ),
            update_conflicts=True,
            unique_fields=["evaluation", "system_id"],
            update_fields=["fencing_token", "worker", "content", "kept_at"],
        )


def kept_of(evaluation: Evaluation) -> dict[str, KeptSystems]:
    """What earlier attempts have finished, by the system's name."""
    rows = KeptSystem.objects.filter(evaluation=evaluation).select_related("worker")
    return {
        row.system_id: KeptSystems(
            content=bytes(row.content),
            origin=f"claim {row.fencing_token} by {row.worker.name} ({_hardware(row.worker)})",
        )
        for row in rows
    }


def _hardware(worker: Worker) -> str:
    gpus = worker.hardware.get("gpus")
    return ", ".join(gpus) if gpus else str(worker.hardware.get("cpu", "unknown hardware"))
