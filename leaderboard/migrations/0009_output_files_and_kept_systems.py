"""Output files of evaluations, finished systems kept for a next attempt, progress in calls."""

import django.db.models.deletion
from django.db import migrations, models

NEVER_EDITED = """
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_evaluationfile
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
"""
EDITED = "DROP TRIGGER touchstone_never_edited ON leaderboard_evaluationfile;"


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0008_submission_publication"),
    ]

    operations = [
        migrations.AddField(
            model_name="evaluation",
            name="expected_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the last system should be done; empty while too little is known.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="evaluation",
            name="progress_calls",
            field=models.PositiveBigIntegerField(
                db_default=0, default=0, help_text="Force calls answered in this phase."
            ),
        ),
        migrations.CreateModel(
            name="EvaluationFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField(help_text="Order within the evaluation.")),
                (
                    "system_id",
                    models.CharField(help_text="Name within the reference set.", max_length=200),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="File name, safe in addresses and headers.", max_length=100
                    ),
                ),
                ("sha256", models.CharField(help_text="Of its bytes, hex.", max_length=64)),
                ("size_bytes", models.PositiveBigIntegerField(help_text="Length of the file.")),
                ("media_type", models.CharField(help_text="By its suffix.", max_length=100)),
                (
                    "left_out",
                    models.CharField(
                        blank=True,
                        help_text="Why its bytes were not kept; empty if they were.",
                        max_length=200,
                    ),
                ),
                (
                    "evaluation",
                    models.ForeignKey(
                        help_text="Of which.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="leaderboard.evaluation",
                    ),
                ),
            ],
            options={
                "ordering": ("evaluation", "position"),
                "indexes": [models.Index(fields=["sha256"], name="file_sha256")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("evaluation", "system_id", "name"), name="one_file_per_name"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sha256__regex", "^[0-9a-f]{64}$")),
                        name="file_sha256_is_hex",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")),
                        name="file_name_is_safe",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="KeptSystem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "system_id",
                    models.CharField(help_text="Name within the reference set.", max_length=200),
                ),
                (
                    "fencing_token",
                    models.PositiveBigIntegerField(help_text="Of the claim that found it."),
                ),
                (
                    "content",
                    models.BinaryField(help_text="As evaluator.finished writes it; no pickle."),
                ),
                ("kept_at", models.DateTimeField(auto_now_add=True, help_text="When.")),
                (
                    "evaluation",
                    models.ForeignKey(
                        help_text="Of which.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="kept_systems",
                        to="leaderboard.evaluation",
                    ),
                ),
                (
                    "worker",
                    models.ForeignKey(
                        help_text="Who found it.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="leaderboard.worker",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("evaluation", "system_id"), name="kept_once")
                ],
            },
        ),
        migrations.RunSQL(NEVER_EDITED, EDITED),
    ]
