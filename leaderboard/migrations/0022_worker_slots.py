"""What tells a worker that hears nothing from one that is busy."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0021_metric_replicates")]

    operations = [
        migrations.AddField(
            "worker",
            "n_slots",
            models.PositiveSmallIntegerField(
                db_default=1, default=1, help_text="Evaluations that it runs at the same time."
            ),
        ),
        migrations.AddField(
            "worker",
            "free_since",
            models.DateTimeField(
                blank=True,
                help_text="Since when a slot is free and nothing was claimed; empty while it is "
                "full, disabled or unable.",
                null=True,
            ),
        ),
    ]
