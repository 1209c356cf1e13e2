"""From samples to scores: by skill where a task's metrics tell their noise, else by anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluator.arrays import FloatArray
from evaluator.contract import ScoreRecord, SystemStatus, TaskScore, TaskSpec
from evaluator.protocols.base import Sample
from evaluator.scoring.by_skill import SkillScoring
from evaluator.scoring.pooled import N_REPLICATES, score_by_anchors


def score(
    task: TaskSpec,
    statuses: Sequence[SystemStatus],
    samples: Mapping[str, Sample],
    n_replicates: int = N_REPLICATES,
    clusters: Sequence[str] | None = None,
    uninformed: Mapping[str, FloatArray] | None = None,
    submission: str = "",
) -> tuple[tuple[ScoreRecord, ...], TaskScore]:
    """Score one submission on one task version.

    Parameters
    ----------
    task
        Names the metrics with their anchors or noise, and weights.
    statuses
        What became of each system of the whole reference set, in its order.
    samples
        By metric key, over the same systems, as ``Protocol.samples`` made them.
    clusters
        Name of each system's cluster; without it each system is its own.
    uninformed, submission
        Of tasks that are scored by skill; see ``SkillScoring``.

    Raises
    ------
    ValueError
        Where a metric of the task has no sample, or a sample another length than the systems.
    """
    _check_samples(task, samples, len(statuses))
    if not task.is_scored_by_skill:
        return score_by_anchors(task, statuses, samples, n_replicates, clusters)
    names = clusters if clusters is not None else [str(i) for i in range(len(statuses))]
    by_skill = SkillScoring(task, names, uninformed or {}, submission, n_replicates)
    return by_skill.score(statuses, samples)


def _check_samples(task: TaskSpec, samples: Mapping[str, Sample], n_systems: int) -> None:
    for metric in task.metrics:
        if metric.key not in samples:
            raise ValueError(f"protocol {task.protocol} gave no sample of {metric.key}")
        sample = samples[metric.key]
        if not sample.values.shape == sample.weights.shape == sample.missing.shape == (n_systems,):
            raise ValueError(f"the sample of {metric.key} is not one value for each system")
