import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0034_cluster_of_systems"),
    ]

    operations = [
        migrations.CreateModel(
            name="SkillTable",
            fields=[
                (
                    "evaluation",
                    models.OneToOneField(
                        help_text="Of which.",
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="skill_table",
                        serialize=False,
                        to="leaderboard.evaluation",
                    ),
                ),
                (
                    "metrics",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        help_text="Keys of the metrics, in the order of the rows.",
                        size=None,
                    ),
                ),
                (
                    "packed",
                    models.BinaryField(
                        help_text="Rows of one skill a system: over all metrics, then of each one; packed by services/evaluations/skill_tables.py."
                    ),
                ),
                (
                    "elements",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=500),
                        help_text='Elements of each system, as "Cl-Na".',
                        size=None,
                    ),
                ),
                (
                    "clusters",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        help_text="What each system is drawn with.",
                        size=None,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="score",
            name="baseline_error",
            field=models.FloatField(
                help_text="The same of an answer that knows nothing; empty if that is bad.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="score",
            name="median_error",
            field=models.FloatField(
                help_text="Of a task scored by skill: the median of the systems' errors.", null=True
            ),
        ),
        migrations.AddField(
            model_name="score",
            name="n_tested",
            field=models.PositiveIntegerField(
                help_text="Of a task scored by skill: systems on which it tells skill from none.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="score",
            name="n_failed",
            field=models.PositiveIntegerField(help_text="Of these, failed."),
        ),
        migrations.AlterField(
            model_name="score",
            name="score",
            field=models.FloatField(help_text="0 to 1 by the task's rule, if scored.", null=True),
        ),
        migrations.RunSQL(
            """
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_skilltable
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
""",
            "DROP TRIGGER touchstone_never_edited ON leaderboard_skilltable;",
        ),
    ]
