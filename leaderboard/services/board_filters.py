"""Which rows of a board a reader wants to see. Ranks stay those of the whole board."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from leaderboard.models import Evaluation, Submission


@dataclass(frozen=True, kw_only=True)
class BoardFilter:
    """Every condition that is given must hold; texts are compared without regard to case."""

    elements: tuple[str, ...] = ()
    level_of_theory: str = ""
    training_set: str = ""
    licence: str = ""
    architecture: str = ""
    team: str = ""
    hardware: str = ""
    min_parameters: int | None = None
    max_parameters: int | None = None

    def accepts(self, submission: Submission, evaluations: Iterable[Evaluation]) -> bool:
        """Of one row: its submission, and the evaluations in its cells."""
        potential = submission.potential
        return (
            self._has_elements(submission)
            and self._has_size(potential.n_parameters)
            and _is_among(self.level_of_theory, potential.level_of_theory.split(","))
            and _is_among(self.training_set, potential.training_sets)
            and _is_among(self.licence, [potential.licence])
            and _is_among(self.architecture, [potential.architecture])
            and _is_among(self.team, [potential.team.slug] if potential.team else [])
            and self._has_hardware(evaluations)
        )

    def _has_elements(self, submission: Submission) -> bool:
        # What a checkpoint alone tells is not known here, so it is not claimed.
        return set(self.elements) <= set(submission.supported_elements or ())

    def _has_size(self, n_parameters: int | None) -> bool:
        if self.min_parameters is None and self.max_parameters is None:
            return True
        if n_parameters is None:
            return False
        low, high = self.min_parameters or 0, self.max_parameters
        return low <= n_parameters and (high is None or n_parameters <= high)

    def _has_hardware(self, evaluations: Iterable[Evaluation]) -> bool:
        """Whether a cell was evaluated on hardware whose description holds the text."""
        if not self.hardware:
            return True
        wanted = self.hardware.casefold()
        return any(wanted in _described(e).casefold() for e in evaluations)


def _is_among(wanted: str, found: Iterable[str]) -> bool:
    return not wanted or wanted.strip().casefold() in {text.strip().casefold() for text in found}


def _described(evaluation: Evaluation) -> str:
    worker = evaluation.worker
    if worker is None:
        return evaluation.hardware_key
    return f"{evaluation.hardware_key} {worker.device} {json.dumps(worker.hardware)}"
