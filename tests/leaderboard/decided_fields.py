"""Fields of the API's answers for which it is decided what they tell of a hidden set.

Those of evaluations follow ``models/disclosure.py``; all others hold nothing that an evaluation
found, or what follows from rounded scores.
"""

from __future__ import annotations

#: Modules of serializers that know nothing of evaluations.
NOT_OF_EVALUATIONS = frozenset(
    f"leaderboard.api.serializers.{name}"
    for name in ("accounts", "bundles", "queue", "runtimes", "teams", "uploads")
)

FIELDS = {
    "ProgressRecord": """
        done total calls expected_at
    """,
    "PotentialLink": """
        slug name url level_of_theory is_baseline
    """,
    "SubmissionLink": """
        id url version potential
    """,
    "TaskVersionLink": """
        slug name version url
    """,
    "EvaluationBrief": """
        id url task task_version state phase progress verdict score score_low score_high
        coverage n_failed
    """,
    "EvaluationRow": """
        id url task task_version state phase progress verdict score score_low score_high
        coverage n_failed submission is_current queued_at started_at finished_at
    """,
    "EvaluationRecord": """
        id url task task_version state phase progress verdict score score_low score_high
        coverage n_failed submission is_current queued_at started_at finished_at page
        message help_url held_by waiting_reason queue_position estimated_start_at attempts
        attempt cancel_requested_at reason supersedes superseded_by wall_time_s n_systems
        n_unsupported scores worker hardware_key why_unreliable summary consistency provenance
        systems files events has_log logs
    """,
    "ScoreRecord": """
        metric label unit value low high score n n_failed n_tested median_error baseline_error
    """,
    "WorkerRecord": """
        name device sandbox_level hardware versions
    """,
    "AttemptRecord": """
        number worker started_at ended_at outcome reason
    """,
    "SystemRecord": """
        system_id status message values reference n_calls wall_time_s cluster uncertainty
    """,
    "EventRecord": """
        id kind at data
    """,
    "CheckedRecord": """
        existing registers_potential tasks
    """,
    "LogsRecord": """
        stdout stderr
    """,
    "ParameterRecord": """
        name kind default unit help minimum maximum choices
    """,
    "MetricRecord": """
        key label unit direction description source
    """,
    "ScoredMetricRecord": """
        key label unit direction description source good bad worst noise weight scale
    """,
    "ColumnRecord": """
        name label unit
    """,
    "ProtocolRecord": """
        name version label summary source parameters metrics reference_properties columns
    """,
    "CalculatorRecord": """
        name label artifact suffixes settings is_built_in
    """,
    "ReferenceSetLink": """
        slug version level_of_theory is_public
    """,
    "ReferenceSetRecord": """
        slug version level_of_theory title sha256 size_bytes n_systems elements properties
        licence citation source_url is_public
    """,
    "SetParameterRecord": """
        name value unit help
    """,
    "LimitsRecord": """
        wall_time_s call_timeout_s memory_MiB
    """,
    "TaskRow": """
        slug name summary url page leaderboard version state published_at protocol
        reference_set
    """,
    "TaskRecord": """
        slug name summary url page leaderboard version state published_at protocol
        reference_set description limitations protocol_version parameters metrics limits
        min_coverage seed disguise_secret versions
    """,
    "VersionRecord": """
        version state published_at
    """,
    "BenchmarkTaskRecord": """
        task category weight category_weight
    """,
    "BenchmarkLink": """
        slug name summary version published_at leaderboard
    """,
    "BenchmarkRecord": """
        slug name summary version published_at leaderboard is_default tasks
    """,
    "StandingRecord": """
        rank rank_low rank_high tied_with_previous is_ranked why_not_ranked submission
    """,
    "TaskBoardRowRecord": """
        rank rank_low rank_high tied_with_previous is_ranked why_not_ranked submission
        evaluation score score_low score_high coverage n_failed theory_mismatch hardware
        metrics
    """,
    "BoardRowRecord": """
        rank rank_low rank_high tied_with_previous is_ranked why_not_ranked submission
        overall overall_low overall_high grades tasks
    """,
    "BoardScoreRecord": """
        value low high score n n_failed median_error baseline_error
    """,
    "ChangeRecord": """
        kind submission rank_before rank_after score_before score_after
    """,
    "DiffRecord": """
        version since until changes
    """,
    "SnapshotRecord": """
        as_of permanent_url
    """,
    "TaskBoardRecord": """
        as_of permanent_url task reference_set metrics resolution rows pending failed
    """,
    "BenchmarkBoardRecord": """
        as_of permanent_url benchmark categories tasks hardware resolution
        chemistry rows
    """,
    # Ties of rounded scores; hidden sets are never halved.
    "ResolutionRecord": """
        n_pairs n_told_apart stays_first n_halved n_tasks tells_neighbours_apart tells_the_first
    """,
    # Made of errors on single frames, which are withheld: hidden sets have no committee.
    "CommitteeRecord": """
        task n_members rows
    """,
    "CommitteeRowRecord": """
        submission evaluation is_member theory_mismatch quantities
    """,
    "QuantityRecord": """
        quantity unit n_voices calibration
    """,
    "CalibrationRecord": """
        n n_clusters spearman auroc rmse rmse_half risk
    """,
    "IntervalRecord": """
        value low high
    """,
    "RiskRecord": """
        coverage rmse
    """,
    "UncertaintyRecord": """
        force_eV_A energy_meV_per_atom
    """,
    # Hidden sets are never judged by a chemistry: they are named as left out.
    "ChemistryRecord": """
        name words n_systems elements tasks left_out
    """,
    "JudgedTaskRecord": """
        task n_systems n_clusters elements
    """,
    "LeftOutTaskRecord": """
        task why
    """,
    "MapPartRecord": """
        kind name n_systems n_clusters
    """,
    "PartSkillRecord": """
        kind name n_systems n_clusters skill low high
    """,
    "PartStandingRecord": """
        kind name n_systems n_clusters median best best_evaluation
    """,
    "MapRowRecord": """
        submission evaluation skills
    """,
    "TaskMapRecord": """
        task parts standings rows
    """,
    "EvaluationMapRecord": """
        evaluation task parts
    """,
    "CellRecord": """
        task version state score score_low score_high rank coverage theory_mismatch
        why_not_ranked hardware evaluation
    """,
    "AgreementRecord": """
        n_crystals median_percent tolerance_percent doubt crystals
    """,
    "SharedCrystalRecord": """
        crystal volume_per_atom_A3 bulk_modulus_GPa energy_pressure_GPa stress_pressure_GPa
        difference_percent energies stresses
    """,
    "CategoryRecord": """
        name weight
    """,
    "BoardTaskRecord": """
        task category weight share
    """,
    "OutputFileRecord": """
        system_id name media_type size_bytes sha256 left_out url
    """,
    "HistoryRecord": """
        since benchmark benchmark_version submission change why rank_before rank rank_low
        rank_high n_ranked overall overall_low overall_high n_came_above n_left_above
    """,
    "ArtifactRecord": """
        sha256 size_bytes filename
    """,
    "WishesRecord": """
        elements n_atoms duration_ps timestep_fs n_steps temperature_K hardware memory_GiB
        max_hours licence level_of_theory
    """,
    "HardwareRecord": """
        key n is_gpu
    """,
    "EstimateRecord": """
        hours hours_low hours_high memory_GiB nanoseconds_per_day is_extrapolated
        largest_n_atoms n_materials
    """,
    "CandidateRecord": """
        group reason submission licence rank overall overall_low overall_high
        is_tied_with_best is_on_front estimate timed_by
    """,
    "RecommendationRecord": """
        asked benchmark categories chemistry judged_on hardware measured_hardware notes
        candidates
    """,
    "WebhookRecord": """
        id address url team events is_enabled n_failures created_at
    """,
    "NewWebhookRecord": """
        id address url team events is_enabled n_failures created_at secret
    """,
    "DeliveryRecord": """
        id kind body attempts status error created_at next_attempt_at delivered_at
    """,
}
