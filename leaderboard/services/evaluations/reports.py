"""Stores what the evaluator reports. The caller's transaction has locked the row."""

from __future__ import annotations

from evaluator.contract import EvaluationReport, ScoreRecord, SystemRecord, Verdict
from leaderboard.lib.json_values import clean_json, clean_text, finite
from leaderboard.models import Evaluation, Score, SystemResult
from leaderboard.services.evaluations import (
    failures,
    frame_error_tables,
    metric_replicates,
    output_files,
    skill_tables,
)


def store(evaluation: Evaluation, report: EvaluationReport) -> None:
    """Scores, systems and the end of the evaluation. Scores are kept of successes alone."""
    evaluation.coverage = finite(report.coverage)
    evaluation.n_systems = report.n_systems
    evaluation.n_failed = report.n_failed
    evaluation.n_unsupported = report.n_unsupported
    evaluation.hardware_key = clean_text(report.hardware_key)[:300]
    evaluation.why_unreliable = clean_text(report.why_unreliable)[:300]
    evaluation.summary = clean_json(report.summary)
    evaluation.consistency = clean_json(report.consistency)
    evaluation.provenance = clean_json(report.provenance)
    evaluation.stdout = clean_text(report.stdout)
    evaluation.stderr = clean_text(report.stderr)
    evaluation.wall_time_s = finite(report.wall_time_s)
    if report.verdict is Verdict.OK:
        _set_task_score(evaluation, report)
        Score.objects.bulk_create(_score(evaluation, record) for record in report.scores)
        skill_tables.store(evaluation, report)
        frame_error_tables.store(evaluation, report)
    SystemResult.objects.bulk_create(
        (_system(evaluation, i, record) for i, record in enumerate(report.systems)),
        batch_size=1000,
    )
    output_files.bind(evaluation, report.files)
    failures.end(evaluation, report.verdict, report.message)


def _set_task_score(evaluation: Evaluation, report: EvaluationReport) -> None:
    task_score = report.task_score
    if task_score is None or finite(task_score.value) is None:
        return  # nothing could be judged: a success without a score, and not ranked
    evaluation.score = finite(task_score.value)
    evaluation.score_low = finite(task_score.low)
    evaluation.score_high = finite(task_score.high)
    evaluation.replicates = metric_replicates.packed(task_score.replicates)


def _score(evaluation: Evaluation, record: ScoreRecord) -> Score:
    return Score(
        evaluation=evaluation,
        metric=record.metric,
        value=finite(record.value),
        low=finite(record.low),
        high=finite(record.high),
        score=finite(record.score),
        median_error=finite(record.median_error),
        baseline_error=finite(record.baseline_error),
        n_tested=record.n_tested,
        n=record.n,
        n_failed=record.n_failed,
        replicates=metric_replicates.packed(record.replicates),
    )


def _system(evaluation: Evaluation, position: int, record: SystemRecord) -> SystemResult:
    return SystemResult(
        evaluation=evaluation,
        position=position,
        system_id=clean_text(record.system_id),
        status=record.status,
        message=clean_text(record.message),
        values=clean_json(record.values),
        reference=clean_json(record.reference),
        n_calls=record.n_calls,
        wall_time_s=finite(record.wall_time_s) or 0.0,
        cluster=clean_text(record.cluster)[:200],
    )
