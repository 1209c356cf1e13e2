"""Skills as bytes: 0 to 1 in single precision, little-endian; NaN where nothing is tested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluator.contract import EvaluationReport
from leaderboard.enums import VersionState
from leaderboard.lib.json_values import clean_text
from leaderboard.models import Evaluation, SkillTable, TestedSystems
from leaderboard.ranking import FloatArray

_KEPT = np.dtype("<f4")


def packed(rows: Sequence[Sequence[float | None]]) -> bytes:
    """Pack rows of one length; None becomes NaN."""
    table = [[np.nan if skill is None else skill for skill in row] for row in rows]
    return np.array(table, dtype=_KEPT).tobytes()


def unpacked(stored: bytes | memoryview, n_systems: int) -> FloatArray:
    """Rows as ``packed`` took them, shape (1 + n_metrics, n_systems)."""
    return np.frombuffer(stored, _KEPT).astype(float).reshape(-1, n_systems)


def clusters_of(report: EvaluationReport) -> list[str]:
    """Names of the systems' clusters, in their order, as the database keeps them."""
    return [clean_text(system.cluster)[:200] for system in report.systems]


def store(evaluation: Evaluation, report: EvaluationReport) -> None:
    """Keep the skills of a report that has any."""
    if report.task_score is None or not report.task_score.skills:
        return
    scored = [record for record in report.scores if record.skills]
    elements = [clean_text(text)[:500] for text in report.system_elements]
    clusters = clusters_of(report)
    SkillTable.objects.create(
        evaluation=evaluation,
        metrics=[record.metric for record in scored],
        packed=packed([report.task_score.skills, *(record.skills for record in scored)]),
        elements=elements,
        clusters=clusters,
    )
    # A draft may still be changed; workers of a release before say nothing.
    if report.task_score.tested and evaluation.task_version.state != VersionState.DRAFT:
        TestedSystems.objects.get_or_create(
            task_version_id=evaluation.task_version_id,
            defaults={
                "elements": elements,
                "clusters": clusters,
                "is_tested": list(report.task_score.tested),
            },
        )
