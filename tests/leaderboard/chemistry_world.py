"""A board for a chemistry: two tasks, one by skill and one by anchors, and two potentials."""

from __future__ import annotations

from leaderboard import models
from leaderboard.lib import memory
from tests.leaderboard import factories

SYSTEMS = ["O-Si", "Si", "Cu"]


def benchmark_of_chemistries() -> models.BenchmarkVersion:
    """sharp is good at silica, blunt at copper; the second task is scored by anchors."""
    memory.forget()
    task = factories.task_version(metrics=factories.SKILL_METRICS)
    anchored = factories.task_version()
    for name, skills in {"sharp": [0.9, 0.7, 0.1], "blunt": [0.2, 0.4, 0.9]}.items():
        submission = factories.submission(factories.potential(name=name, slug=name), version="1")
        factories.evaluation_with_skills(submission, task, skills, SYSTEMS)
        factories.evaluation(submission, anchored, score=0.5)
    return factories.benchmark_version((task, "EOS"), (anchored, "Old"))
